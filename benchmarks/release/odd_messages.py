"""Random commits made of the edge cases of the grammar, to find where two readers differ."""

from random import Random

from delivery.commits import Commit

_TYPES = (
    *("feat", "fix", "perf", "docs", "chore", "refactor", "test", "build", "ci", "style"),
    *("Feat", "FEAT", "Fix", "FIX", "PERF", "Docs", "revert", "Revert", "wip", "feature"),
    *("기능", "123", "7", "release", "", "a_b", "feat2", "hotfix", "bug", "BUGFIX"),
)
_SCOPES = (
    *("", "", "", "(a)", "(b)", "(core)", "(*)", "()", "(a)(b)", "(가)", "(api/v1)", "( )"),
    *("(5)", "(-1)", "(0)", "(a: b)", "(#3)", "(@bob)", "(A)", "(a-b)", "(a_b)", "(0x1)"),
)
_BANGS = ("", "", "", "", "", "!", "!", " ", "!!")
_COLONS = (": ", ": ", ": ", ": ", ":", "： ", ":  ", " : ")
_WORDS = (
    *("add", "fix", "로그인", "API", "#12", "(#3)", "a/b#4", "@bob", "closes", "resolve", "fixes"),
    *("`x`", "…", "-", "Revert", '"q"', "v1.2.3", "CHANGE:", "BREAKING", "c#9", "acme/app#7"),
    *("#a1", "##5", "@Bob", "@a/b", "(@me)", "é", "É", "ß", "‘q’", "“x”", "日本", "😀", "close"),
    *("Closes #5", "fixed #8", "prefix #9", "x\rY", "\u2028", "\xa0", "[link](u)", "<b>", "&amp;"),
    *("{{x}}", "$1", "\\1", "_u_", "*s*", "10", "9", "z", "~t", "gpg: x", "release-as: 1.2.3"),
    *('"', "@under_score", "email@x.y", "#-1", "#1-2", "https://x/#3", "BREAKING CHANGE: inline"),
)
_LINES = (
    *("BREAKING CHANGE: why", "BREAKING CHANGE", "BREAKING CHANGE why", "BREAKING CHANGE:"),
    *("BREAKING-CHANGE: h", "breaking change: lower", "  BREAKING CHANGE: indented"),
    *("* BREAKING CHANGE: star", "| BREAKING CHANGE: bar", "- BREAKING CHANGE: dash"),
    *("BREAKING CHANGE: #4 x", "Breaking change in API", "BREAKING CHANGES: x", "---", "--"),
    *("-x-", "-", "-type-", "-scope-", "-subject-", "-header-", "-revert-", "-tag-", "-body-"),
    *("-footer-", "gpg: sig", "# comment", "# ------------------------ >8 " + "-" * 24),
    *("Closes #4", "closes #4, #5", "see #6", "refs a/b#1 c/d#2", "Fixes: #3", "- item"),
    *("Signed-off-by: A <a@example.org>", "* item #7", "", "", "", "text", "본문 #8 참고", "value"),
    *("feat: inner", "Release-As: 1.0.0", "Release-As: \n1.2.3", "  ", "\r", "\t", "Breaking"),
    *("This reverts commit abc.", "fix: y", "fix"),
)
_REVERTS = ("Revert ", "Revert ", "revert: ", "REVERT ", "revert:  ")
_GAPS = ("\n\n", "\n\n", "\n", "", "\r\n\r\n")
RULES = (
    *("", "", "", "", "chore:patch", "c*:minor:Wild", "feat:patch", "*:patch", "!chore:patch"),
    *("(feat|fix):major", "chore:prepatch", "docs:patch:문서", "Feat:minor:X", "revert:minor"),
    *("chore:patch:Bug Fixes,wip:minor", "[cd]*:minor", "fix:premajor", "123:patch:9"),
    *("feat:minor:3,fix:patch:1,docs:patch:2", "?eat:patch", "chore:patch, docs:patch"),
    *("hotfix:patch,pre-feat:preminor", "f*:prerelease", "chore:none"),
)
"""Custom release rules to try with them; mostly none."""


def make_odd_history(chance: Random) -> list[Commit]:
    """A few commits, oldest first; now and then one reverts another."""
    commits: list[Commit] = []
    for _ in range(chance.choice([1, 1, 1, 2, 3, 4, 6, 10])):
        if commits and chance.random() < 0.2:
            message = _revert(chance, chance.choice(commits))
        else:
            message = _message(chance)
        commits.append(Commit(f"{chance.getrandbits(160):040x}", message))
    return commits


def make_unsorted_history(chance: Random) -> list[Commit]:
    """Many commits of few types, with scopes and without, so that their order is tried."""
    kinds = chance.choice([("feat",), ("feat", "fix", "docs", "ci", "chore!", "wip!", "1!", "12!")])
    scopes = chance.choice([("", "(a)"), ("(a)", "(b)"), _SCOPES, ("", "", "", "", "(x)")])
    commits = []
    for _ in range(chance.choice([20, 33, 64, 65, 100, 150, 250])):
        kind = chance.choice(kinds)
        bare, bang = kind.rstrip("!"), "!" if kind.endswith("!") else ""
        subject = f"{chance.choice(_WORDS)} {chance.choice(['', chance.randrange(50)])}"
        message = f"{bare}{chance.choice(scopes)}{bang}: {subject}"
        commits.append(Commit(f"{chance.getrandbits(160):040x}", message))
    return commits


def _revert(chance: Random, commit: Commit) -> str:
    header = commit.message.strip("\r\n").replace("\r\n", "\n").partition("\n")[0]
    quote = chance.choice(['"', '"', ""])
    sha = chance.choice([commit.sha, commit.sha, commit.sha[:7], ""])
    start = f"{chance.choice(_REVERTS)}{quote}{header}{quote}"
    return f"{start}{chance.choice(_GAPS)}This reverts commit {sha}."


def _message(chance: Random) -> str:
    parts = [chance.choice(part) for part in (_TYPES, _SCOPES, _BANGS, _COLONS)]
    header = "".join(parts) if chance.random() < 0.9 else ""
    header += chance.choice(["", "", "", " "]) + _words(chance, chance.choice([0, 1, 1, 2, 3, 6]))
    before = chance.choice(["\n", "\r\n", " ", "gpg: x\n"]) if chance.random() < 0.05 else ""
    ending = chance.choice(["\n", "\n", "\n", "\r\n"])
    lines = [
        chance.choice(_LINES) if chance.random() < 0.8 else _words(chance, 3)
        for _ in range(chance.choice([0, 0, 1, 2, 3, 5]))
    ]
    return before + ending.join([header, *lines])


def _words(chance: Random, count: int) -> str:
    return " ".join(chance.choice(_WORDS) for _ in range(count))
