"""What the redactor takes for a secret by its name, its place or its maker, and what it leaves."""

import time

import pytest

from delivery.redaction import MASK, redact

VALUE = "c0rrectHorse"


@pytest.mark.parametrize(
    "name",
    [
        "MAIL_PASS", "SMTP_PWD", "pwd", "PGPASSWORD", "REDISCLI_AUTH", "JWT_SIGNING_KEY",
        "private_key", "jwtSecret", "APIKEY", "GRAFANA_CREDENTIALS", "SENTRY_DSN", "db.passwd",
        "requirepass", "API_KEY_2", "MAIL_PASS_PROD", "비밀번호", "spring.datasource.password",
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "around",
    ["{}={}", "{} = {}", "{} => {}", '"{}": "{}"', "'{}': '{}'", "--{} {}", "--{}={}", "a[{}]={}",
     "<{0}>{1}</{0}>", '["{}={}","PATH=/usr/bin"]', "&lt;{0} a='b'&gt;{1}&lt;/{0}&gt;"],
)  # fmt: skip
def test_a_secret_is_known_by_a_part_of_its_name(name: str, around: str) -> None:
    clean = redact(around.format(name, VALUE))
    assert VALUE not in clean
    assert clean.startswith(around.partition("{")[0])


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("PASSWORD=ab;cdEFghijKL123 and", f"PASSWORD={MASK} and"),
        ("PASSWORD=ab,cd,ef and", f"PASSWORD={MASK} and"),
        ('PASSWORD="a b long secret phrase" and', f'PASSWORD="{MASK}" and'),
        (r'PASSWORD="a \"b\" c" and', f'PASSWORD="{MASK}" and'),
        ("PASSWORD='a b c\nnext", f"PASSWORD='{MASK}\nnext"),
        ("password='it'\"'\"'s a' and", f"password={MASK} a' and"),
        ("password=b'a b c' and", f"password=b'{MASK}' and"),
        ("password=ab'cd\"ef and", f"password={MASK} and"),
        ('{"log":"password=a,b;c","level":"x"}', f'{{"log":"password={MASK}","level":"x"}}'),
        ('{"tokens":["abc d","e"],"n":1}', f'{{"tokens":{MASK}],"n":1}}'),
        ('{"auth":{"password":"a b c"}}', f'{{"auth":{{"password":"{MASK}"}}}}'),
        ("map[password:abcdef user:x]", f"map[password:{MASK} user:x]"),
        ("POSTGRES_PASSWORD: required-horse", f"POSTGRES_PASSWORD: {MASK}"),
        (f"auth: {VALUE}", f"auth: {MASK}"),
        (f"?key={VALUE}", f"?key={MASK}"),
    ],
)
def test_a_value_goes_to_its_closing_quote_or_to_the_end_of_its_word(text: str, clean: str) -> None:
    assert redact(text) == clean


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("postgres://user:pa/ss@h/db", f"postgres://{MASK}@h/db"),
        ("postgres://user:pa@ss@h/db", f"postgres://{MASK}@h/db"),
        ("redis://:p?a/s@s#s@h:6379/0", f"redis://{MASK}@h:6379/0"),
        ("https://token@h/a:b@c", f"https://{MASK}@h/a:b@c"),
        ("https://u:p4@h/img@sha256:abc", f"https://{MASK}@h/img@sha256:abc"),
        ("https://h:8080/x?m=@a", "https://h:8080/x?m=@a"),
        ("https://packages.example/@scope/a", "https://packages.example/@scope/a"),
        ("https://ghcr.io/a/b@sha256:abc", "https://ghcr.io/a/b@sha256:abc"),
        ("a@b://c", "a@b://c"),
        ("a://b@c://d", f"a://{MASK}@c://d"),
    ],
)
def test_a_login_in_a_url_goes_to_its_last_sign(text: str, clean: str) -> None:
    assert redact(text, personal=False) == clean


@pytest.mark.parametrize(
    "text",
    [
        "redis-cli -a {}",
        "redis-cli -h h -p 7000 -a '{} b' ping",
        'valkey-cli --pass "{} b" ping',
        "docker login -u tt -p {} ghcr.io",
        "sshpass -p{} ssh h",
        "curl -u admin:{} http://h",
        'curl --user "admin:{} b" http://h',
        "curl --proxy-user 'admin:{} b' http://h",
        "ALTER USER tt PASSWORD '{} b'",
        "masterauth {}",
        "Authorization: KakaoAK {}",
        "got Bearer {}0123456789",
    ],
)
def test_a_secret_is_known_by_the_command_that_takes_it(text: str) -> None:
    clean = redact(text.format(VALUE))
    assert VALUE not in clean
    assert " b" not in clean


@pytest.mark.parametrize(
    "secret",
    [
        "xapp-1-A01-" + "1234-abcdef",
        "xoxe.xoxp-1-" + "abcdefghij",
        "dckr_pat_" + "aB3_" * 6,
        "glpat-" + "aB3d" * 5,
        "npm_" + "aB3d" * 9,
        "glsa_" + "aB3d" * 8,
        "pnu_" + "aB3d" * 9,
        "AIza" + "aB3d" * 9,
        "sk_live_" + "aB3d" * 6,
        "SG." + "aB3d" * 5 + "." + "aB3d" * 9,
    ],
)
def test_more_makers_of_tokens_are_known(secret: str) -> None:
    assert redact(f"said {secret} there") == f"said {MASK} there"


@pytest.mark.parametrize("kind", ["workflows/T01/A02/3", "triggers/T01/2"])
def test_slack_s_other_webhooks_are_secrets_too(kind: str) -> None:
    assert redact(f"https://hooks.slack.com/{kind}/x1y2z3").endswith(f"/{MASK}")


@pytest.mark.parametrize(
    "text",
    [
        "monkey=banana12, author: Kim-Chehyeon, PASSED=123456, compass=northwest",
        "keyspace_hits:123456 db0:keys=1234567,expires=0",
        "cluster_known_nodes:6",
        "key: value in prose",
        "<Key>releases/2026-11-26.tar</Key>",
        "Key: setup-linux-1a2b3c4d5e",
        "pass: twelve fail: none",
        "auth: by certificate",
        "pwd: /work/tt PWD=/work/tt",
        "POSTGRES_PASSWORD_FILE=/run/secrets/postgres",
        "JWT_ACCESS_TOKEN_EXPIRATION=3600000 TOKEN_TTL=15.5m",
        "password=true, secret: required",
        "--auth=scram-sha-256",
        "ghcr.io/tt/token-service:v1.10.2 ghcr.io/tt/secret:latest",
        "http://token:8080/actuator/health http://auth:8080/actuator/health1",
        "docker run -u 1000:1000 -p 8080:8080 tt",
        "printf %s x | docker login --username tt --password-stdin ghcr.io",
        "date -u +%H:%M:%S",
        "https://github.com/tt/app/actions/workflows/Test.yml",
        "aws ssm describe-instance-information --filters Key=InstanceIds,Values=i-1",
        "sudo bash -c 'DOPPLER_TOKEN=$(tr -d \"\\r\\n\" </etc/tt/token) doppler me'",
        'docker exec --env "REDISCLI_AUTH=$REDIS_PASSWORD" redis redis-cli -a "$REDISCLI_AUTH"',
        'curl -u "admin:$GRAFANA_PASSWORD" http://localhost:3001',
        "MAIL_PASSWORD: ${MAIL_PASSWORD:?the password of the mail server}",
        "MAIL_PASSWORD=${MAIL_PASSWORD}",
        "requirepass is set",
        "password: '' token=''",
        '{"auth":{"kind":"none"}, "key":',
    ],
)
def test_what_only_looks_like_a_secret_s_name_or_value_stays(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "failed to fetch oauth token: unauthorized: authentication required",
        "services.app.environment.POSTGRES_PASSWORD: required variable POSTGRES_PASSWORD is "
        "missing a value: the password of the database user",
        "cat: /etc/tt-secrets/doppler-token: Permission denied",
        "open /run/secrets/redis_password: no such file or directory",
        "Doppler Error: Invalid Service token: expired",
        "invalid_token: The access token expired",
        "JWT_SECRET: must have 32 bytes",
        "GITHUB_TOKEN: not found; --password is required",
        '"secret: cannot be read"',
    ],
)
def test_what_a_program_says_of_a_secret_stays(text: str) -> None:
    assert redact(text) == text


@pytest.mark.no_cover
@pytest.mark.parametrize(
    "unit",
    ["key=", "key=$(", 'key=["', "token:1/", '\\"token: not ', "'pwd=\"", "a://a:", "://a:@",
     "a://@sha256:", "redis-cli ", "docker login ", "-u a:", "<password>", "<a ", "--token ",
     "requirepass ", "aB", "key1_", "_pass_1", "bearer ", "password='x'\"", "TOKEN=$AAA,", "-"],
)  # fmt: skip
def test_names_upon_names_take_time_in_proportion_to_their_length(unit: str) -> None:
    def seconds(length: int) -> float:
        text = (unit * (length // len(unit) + 1))[:length]
        started = time.process_time()
        redact(text)
        return time.process_time() - started

    # Quadratic would be 32 times as long.
    short, long = min(seconds(4_000) for _ in range(3)), seconds(128_000)
    assert long < 32 * short * 4 + 0.5
