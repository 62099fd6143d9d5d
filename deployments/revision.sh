#!/bin/bash
# revision.sh: the commit of this code, which every deployment of it carries as its version.
#
# "-dirty" follows it where files differ from that commit. In the image, where there is no git
# repository, TT_DEPLOY_REVISION says it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

echo "${TT_DEPLOY_REVISION:-$(git describe --always --dirty --abbrev=40 --exclude='*' 2>/dev/null || echo unknown)}"
