#!/bin/bash
# Brings the clone to exactly the released revision, not to wherever the branch is by now.
# shellcheck source=host/lib.sh
[ -n "${tt_log:-}" ] || . "$(dirname "$0")/lib.sh"
open_log
need TT_CLONE TT_REVISION TT_BRANCH TT_GIT_URL
take_lock

# The clone may belong to another user than root; git wants that said.
git config --global --get-all safe.directory | grep -qxF "$TT_CLONE" ||
    git config --global --add safe.directory "$TT_CLONE"

[ -d "$TT_CLONE/.git" ] || fail "there is no git clone at $TT_CLONE" \
    "sudo git clone $TT_GIT_URL $TT_CLONE"
cd "$TT_CLONE"
# Git leaves its lock behind when it is killed or its machine loses power, and then refuses for good.
git_lock=$TT_CLONE/.git/index.lock
if [ -f "$git_lock" ] && ! pgrep -x git >/dev/null; then
    say "removing git's lock $git_lock: no git runs here that could hold it"
    rm -f "$git_lock"
fi
was=$(git rev-parse HEAD)
export GIT_TERMINAL_PROMPT=0

if ! git cat-file -e "$TT_REVISION^{commit}" 2>/dev/null; then
    timeout 100 git fetch --quiet --tags --prune --force origin ||
        fail_for_now "git fetch failed: the remote is away, or refuses the clone's credentials" "git -C $TT_CLONE fetch origin"
fi
git cat-file -e "$TT_REVISION^{commit}" 2>/dev/null ||
    fail "the revision $TT_REVISION is not in the repository (was $TT_BRANCH rewritten?)"

discarded=$(git status --porcelain --untracked-files=no | wc -l)
if [ "$discarded" -gt 0 ]; then
    # In memory: an edited file may be a rendered one, with a secret in it.
    say "discarding $discarded edited file(s); their diff is in $tt_run/discarded.diff until a reboot"
    git diff HEAD >"$tt_run/discarded.diff"
fi
# Containers that are not root read files of the clone: it is checked out as usual.
umask 022
git reset --quiet --hard "$TT_REVISION" ||
    fail "git cannot check the revision out in $TT_CLONE" "sudo git -C $TT_CLONE reset --hard $TT_REVISION"
say "clone at $(git rev-parse HEAD), was $was"

succeed "\"revision\":$(json_string "$(git rev-parse HEAD)")" "\"was\":$(json_string "$was")" \
    "\"discarded\":$discarded"
