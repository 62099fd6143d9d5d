"""Measurements that the documents quote; each prints its own table."""
