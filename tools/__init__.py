"""What the house needs beside the product: the demo, the pictures, the checks."""
