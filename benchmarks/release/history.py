"""A made-up history of the kind that TT Backend has: typed, scoped, Korean, with issues."""

import random

from delivery.commits import Commit

_TYPES = ("feat", "fix", "fix", "refactor", "docs", "chore", "test", "perf", "style", "ci")
_SCOPES = ("", "", "(auth)", "(payment)", "(reservation)", "(예매)", "(*)", "(redis)")
_SUBJECTS = (
    "로그인 기능 추가",
    "좌석 선점 로직 개선",
    "add pagination to the concert list",
    "Bump the gradle group with 3 updates",
    "결제 실패 시 예약 취소 처리",
    "rework the token refresh, as @bob asked",
    "대기열 토큰 만료 시간 수정",
    "make the Redis cluster survive a lost node",
)
_BODIES = (
    "",
    "",
    "\n\n- 컨트롤러 추가\n- 서비스 테스트 추가\n",
    "\n\nThe old way read every row; this reads one page.\n\nCloses #{number}",
    "\n\nCo-authored-by: 홍길동 <gildong@example.org>\nSigned-off-by: Bob <bob@example.org>",
    "\n\nBREAKING CHANGE: 응답 형식이 바뀝니다\n기존 클라이언트는 수정이 필요합니다",
)


def make_history(size: int, *, seed: int = 1) -> list[Commit]:
    """`size` commits, oldest first, the same for the same seed."""
    chance = random.Random(seed)  # noqa: S311 - a made-up history needs no secrecy
    commits: list[Commit] = []
    for number in range(size):
        message = _message(chance, number)
        if commits and number % 100 == 99:
            undone = commits[-chance.randrange(1, min(50, len(commits)) + 1)]
            header = undone.message.partition("\n")[0]
            message = f'Revert "{header}"\n\nThis reverts commit {undone.sha}.'
        commits.append(Commit(f"{chance.getrandbits(160):040x}", message))
    return commits


def _message(chance: random.Random, number: int) -> str:
    if number % 10 == 9:
        return f"Merge pull request #{number} from tt-lab/topic-{number}\n\nTopic {number}"
    header = f"{chance.choice(_TYPES)}{chance.choice(_SCOPES)}: {chance.choice(_SUBJECTS)}"
    return f"{header} (#{number}){chance.choice(_BODIES).format(number=number)}"
