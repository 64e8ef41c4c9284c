# ruff: noqa: E501 - lines as they come
"""Lines as they could stand in a log: with secrets, what has to go and what has to stay; and without any."""

ACCESS = "66d01a67006e2a3d00000001000000010000076f8a1b2c3d4e5f60718293a4b5c6d7e8"
REFRESH = "564f4167006e2a3d00000001000000010000070c9e8d7c6b5a4938271605f4e3d2c1b0"
APPLICATION = "51856fefc120afa4b628cc82d3935cce"
CLIENT_SECRET = "SjKl3mnOPq4rSTuvWx5yz6ABcdEf7gHIjk8"
WORKFLOW = "681c894d3f0ec8.54818143"
EVENT_PROOF = "pT7wq2Xc9LrB4nVm6KzJ1hGf8DsA3yEu.9b1f0c6a2d7e4385bb10f6cc2a97d3e45f"
EVENT = f"{WORKFLOW}|A36717_5720_22885_29158|{EVENT_PROOF}"
EVENT_ENCODED = EVENT.replace("|", "%7C")
FERNET = "gAAAAABmZ0x1Qm9keS1vZi1hLXRva2VuLXRoYXQtd2FzLWVuY3J5cHRlZA-_xyzzy0123456789=="
LINK = "WyI2N2JmN2NjNDA1YTYiLDEyLCJvZmZlci5wZGYiXQ.aR3x7Q.Vb1kq0mXv9yTz3LwQe8uJfC2nHs"
PAGE = "MQ.aR3x7Q.k9Zr4tYwXs1qLm8vNc2bHj6fDpE"

Line = tuple[str, list[str], list[str]]

WITH_SECRETS: list[Line] = [
    # Query strings
    (
        "GET https://oauth.bitrix24.tech/oauth/token/?grant_type=refresh_token&client_id=local.66d01a67.12345678"
        f"&client_secret={CLIENT_SECRET}&refresh_token={REFRESH} 200",
        [CLIENT_SECRET, REFRESH],
        ["https://oauth.bitrix24.tech/oauth/token/?grant_type=refresh_token", "local.66d01a67.12345678", " 200"],
    ),
    (f"POST https://acme.bitrix24.com/rest/profile.json?auth={ACCESS}&x=1", [ACCESS], ["profile.json?auth=", "&x=1"]),
    ("GET /rest/profile?auth=short0access&LANG=de", ["short0access"], ["GET /rest/profile?", "&LANG=de"]),
    (
        '127.0.0.1 - - "POST /install?DOMAIN=acme.bitrix24.com&AUTH_ID=a1b2c3&REFRESH_ID=d4e5f6&LANG=en HTTP/1.1" 200 -',
        ["a1b2c3", "d4e5f6"],
        ["127.0.0.1", "DOMAIN=acme.bitrix24.com&", 'LANG=en HTTP/1.1" 200 -'],
    ),
    # Forms with brackets, also encoded, and encoded twice
    (
        f"auth[access_token]={ACCESS}&auth[domain]=acme.bitrix24.com&auth[application_token]={APPLICATION}&ts=1746700621",
        [ACCESS, APPLICATION],
        ["auth[domain]=acme.bitrix24.com", "&ts=1746700621"],
    ),
    (
        f"auth%5Bapplication_token%5D={APPLICATION}&auth%5Bmember_id%5D=a223c6b3710f85df22e9377d6c4f7553&code=save_document",
        [APPLICATION],
        ["auth%5Bmember_id%5D=a223c6b3710f85df22e9377d6c4f7553", "code=save_document"],
    ),
    (
        "data%255Bauth%255D%255Baccess_token%255D%3Dq1w2e3r4%26data%255BVERSION%255D%3D1",
        ["q1w2e3r4"],
        ["%26data%255BVERSION%255D%3D1"],
    ),
    (
        f"workflow_id={WORKFLOW}&code=save_document&event_token={EVENT_ENCODED}&use_subscription=Y",
        [EVENT_PROOF, "A36717"],
        [f"workflow_id={WORKFLOW}&code=save_document", "&use_subscription=Y"],
    ),
    (
        "EVENT_TOKEN=x%7Cy%7Cz&RETURN_VALUES[number]=4711&RETURN_VALUES[people][0]=user_12&LOG_MESSAGE=Saved",
        ["x%7Cy%7Cz", "4711", "user_12"],
        ["LOG_MESSAGE=Saved"],
    ),
    (
        "RETURN_VALUES%5Bname%5D=Offer+for+Smith&RETURN_VALUES%5Bpeople%5D%5B%5D=user_12&x=1",
        ["Offer", "Smith", "user_12"],
        ["&x=1"],
    ),
    (
        "cmd[a]=bizproc.event.send%3FEVENT_TOKEN%3Dabc%257Cdef%26RETURN_VALUES%255Bn%255D%3D4711%26LOG_MESSAGE%3DSaved",
        ["abc%257Cdef", "4711"],
        ["cmd[a]=bizproc.event.send", "LOG_MESSAGE%3DSaved"],
    ),
    ("cmd[a][RETURN_VALUES][n]=4711&halt=0", ["4711"], ["&halt=0"]),
    # JSON
    (
        f'answer {{"access_token":"{ACCESS}","refresh_token":"{REFRESH}","expires_in":3600,"scope":"bizproc"}}',
        [ACCESS, REFRESH],
        ['"expires_in":3600,"scope":"bizproc"}'],
    ),
    (
        '{"auth": {"access_token": "q1w2e3", "domain": "acme.bitrix24.com", "user_id": "1"}, "event": "ONAPPINSTALL"}',
        ["q1w2e3"],
        ['"domain": "acme.bitrix24.com", "user_id": "1"}, "event": "ONAPPINSTALL"}'],
    ),
    ('{"CODE": "save_document", "auth": "q1w2e3"}', ["q1w2e3"], ['{"CODE": "save_document", "auth": "']),
    (
        '{"EVENT_TOKEN": "a|b|c", "RETURN_VALUES": {"number": 4711, "name": "an \\"offer\\"}", "list": [[1], {}]},'
        ' "LOG_MESSAGE": "Saved"}',
        ["a|b|c", "4711", "offer", "list"],
        ['"LOG_MESSAGE": "Saved"}'],
    ),
    ('{"RETURN_VALUES":[],"LOG_MESSAGE":"Saved"}', [], ['"LOG_MESSAGE":"Saved"}']),
    (
        '{"body": "{\\"client_secret\\": \\"Sj\\\\\\"Kl3\\", \\"client_id\\": \\"local.66d01a67\\"}", "status": 200}',
        ["Sj", "Kl3"],
        ['\\"client_id\\": \\"local.66d01a67\\"}", "status": 200}'],
    ),
    (
        '{"a": "{\\"b\\": \\"{\\\\\\"password\\\\\\": \\\\\\"hunter2\\\\\\", \\\\\\"user\\\\\\": \\\\\\"anna\\\\\\"}\\"}"}',
        ["hunter2"],
        ["anna"],
    ),
    ("PLACEMENT_OPTIONS=%7B%22access_token%22%3A%22q1w2e3%22%2C%22code%22%3A%22tell%22%7D", ["q1w2e3"], ["tell%22%7D"]),
    ("<pre>{&quot;event_token&quot;: &quot;a|b&quot;, &quot;ts&quot;: 1}</pre>", ["a|b"], ["&quot;ts&quot;: 1}</pre>"]),
    ('{"clientSecret": "q1w2e3", "accessToken": "r4t5y6", "expires": 12}', ["q1w2e3", "r4t5y6"], ['"expires": 12}']),
    # Python
    (
        f"form {{'AUTH_ID': '{ACCESS}', 'REFRESH_ID': 'r3fr3sh', 'member_id': 'a223c6b3', 'PLACEMENT': 'DEFAULT'}}",
        [ACCESS, "r3fr3sh"],
        ["'member_id': 'a223c6b3', 'PLACEMENT': 'DEFAULT'}"],
    ),
    ("[('application_token', 'q1w2e3'), ('domain', 'acme.bitrix24.com')]", ["q1w2e3"], ["('domain', 'acme.bitrix24.com')]"]),
    ("{b'refresh_token': b'q1w2e3', b'scope': b'crm'}", ["q1w2e3"], ["b'scope': b'crm'}"]),
    (
        "Settings(client_id='local.1', client_secret='q1w2e3', app_url='https://app.example.com', secret_keys=('k1', 'k2'))",
        ["q1w2e3", "k1", "k2"],
        ["client_id='local.1'", "app_url='https://app.example.com'"],
    ),
    (f"Tokens(access='{ACCESS}', refresh='{REFRESH}', expires_at=1)", [ACCESS, REFRESH], ["expires_at=1)"]),
    ('Callback(code="tell", event_token="it\'s", user_id=1)', ["it's"], ['code="tell"', "user_id=1)"]),
    ("auth['access_token'] = 'q1w2e3'  # line 4", ["q1w2e3"], ["# line 4"]),
    ("RETURN_VALUES=Output(number=4711, name='an offer') sent to acme.bitrix24.com", ["4711", "offer"], ["sent to acme"]),
    ("requests.get(url, auth=('anna', 'hunter2'), timeout=5)", ["hunter2"], ["requests.get(url, "]),
    # PHP
    ("Array ( [access_token] => q1w2e3 [domain] => acme.bitrix24.com )", ["q1w2e3"], ["[domain] => acme.bitrix24.com )"]),
    # Headers
    ("Authorization: Bearer q1w2e3.r4-t5_y6", ["q1w2e3.r4-t5_y6"], ["Authorization: "]),
    ("> Authorization: Basic YW5uYTpodW50ZXIy\n> Host: acme.bitrix24.com", ["YW5uYTpodW50ZXIy"], ["Host: acme.bitrix24.com"]),
    ("{'Authorization': 'Bearer q1w2e3', 'Host': 'acme.bitrix24.com'}", ["q1w2e3"], ["'Host': 'acme.bitrix24.com'}"]),
    ("curl -H 'X-Api-Key: q1w2e3' https://api.example.com", ["q1w2e3"], ["https://api.example.com"]),
    ("sent with Bearer eyJhbGciOi.eyJzdWIiOi.SflKxwRJSM to api.example.com", ["SflKxwRJSM"], ["to api.example.com"]),
    # Settings
    ("B24_SECRET_KEY=q1w2e3,r4t5y6 B24_CLIENT_SECRET=u7i8 BIND=127.0.0.1:8000", ["q1w2e3", "r4t5y6", "u7i8"], ["BIND=127.0.0.1:8000"]),
    ("api_key=q1w2e3 password: hunter2", ["q1w2e3", "hunter2"], []),
    # By shape alone
    (f"got {ACCESS} from acme.bitrix24.com", [ACCESS], ["got ", " from acme.bitrix24.com"]),
    (f"['{ACCESS}', '{REFRESH}']", [ACCESS, REFRESH], []),
    (f"run 12 of {EVENT} failed", [EVENT_PROOF], ["run 12 of ", WORKFLOW, " failed"]),
    (f"Invalid value: '{EVENT_ENCODED}'", [EVENT_PROOF], ["Invalid value: "]),
    (f"cannot decrypt {FERNET} of run 12", [FERNET[:60], FERNET[-12:]], ["cannot decrypt ", " of run 12"]),
    (f"b'{FERNET}'", [FERNET[:60]], []),
    (f'GET https://app.example.com/files/{LINK} 404', [LINK], ["https://app.example.com/files/", " 404"]),
    (f'const pageToken = "{PAGE}";', [PAGE], ["const "]),
    (f"progress asked with {PAGE}", [PAGE], ["progress asked with "]),
    (
        "(psycopg.OperationalError) postgresql+psycopg://b24:hun/t@er2@db.example.com:5432/b24 is away",
        ["hun/t", "er2"],
        ["postgresql+psycopg://b24:", "@db.example.com:5432/b24 is away"],
    ),
    ("Error 111 connecting to redis://:hunter2@127.0.0.1:6379/0.", ["hunter2"], ["redis://:", "@127.0.0.1:6379/0."]),
    ('FILES_URL "s3://key:12345@bucket" cannot be used', ["12345"], ['@bucket" cannot be used']),
    ("https://acme.bitrix24.com/rest/1/q1w2e3r4t5y6u7i8/profile.json", ["q1w2e3r4t5y6u7i8"], ["acme.bitrix24.com/rest/1/", "/profile.json"]),
    # Stack traces
    (
        "Traceback (most recent call last):\n"
        '  File "/app/bizproc/portal/b24.py", line 116, in refreshed\n'
        "    answer = _OAuthRequester(self).refresh_oauth_token(refresh_token)\n"
        "requests.exceptions.ConnectionError: HTTPSConnectionPool(host='oauth.bitrix24.tech', port=443): Max retries exceeded"
        f" with url: /oauth/token/?client_id=local.1&client_secret={CLIENT_SECRET}&refresh_token={REFRESH} (Caused by 1)",
        [CLIENT_SECRET, REFRESH],
        [
            '  File "/app/bizproc/portal/b24.py", line 116, in refreshed\n',
            "(refresh_token)\n",
            "host='oauth.bitrix24.tech', port=443",
            "(Caused by 1)",
        ],
    ),
    ("KeyError: 'x'\n  values = {'RETURN_VALUES': {'a': 'q1w2e3'}}\n  line 5", ["q1w2e3"], ["KeyError: 'x'", "line 5"]),
    # Cut off
    ('{"client_secret": "q1w2e3', ["q1w2e3"], []),
    ('{"RETURN_VALUES": {"number": {"a": "q1w2e3', ["q1w2e3"], []),
]  # fmt: skip

WITHOUT = [
    "callback refused: wrong application token (member id 'a223c6b3710f85df22e9377d6c4f7553')",
    "callback refused: unknown member id (member id 'a223c6b3710f85df22e9377d6c4f7553')",
    "install refused: The OAuth server did not confirm the portal: EXPIRED_TOKEN: The access token provided has expired.",
    "install refused: INVALID_TOKEN: Unable to get application by token",
    "acme.bitrix24.com: activities not registered: ACCESS_DENIED: Access denied!. Activities are registered with the"
    " rights of an administrator",
    "acme.bitrix24.com: the event ONAPPUPDATE is not bound: ERROR_CORE: Handler already binded",
    "acme.bitrix24.com:8080: ONAPPINSTALL",
    "127.0.0.1:1 cannot be reached: NewConnectionError",
    "run 4711 of save_document failed: KeyError in save_document.py, line 87",
    "run 4711: not answered, again in 64 s: invalid_grant: The refresh token is not valid any more",
    "run 4711: its outcome is not stored, since the run is not this worker's any more",
    f"process {WORKFLOW} of DEAL_1188 waits",
    "There is no token for this portal: an administrator has to open the app there.",
    "The settings are not complete:\n  B24_SECRET_KEY is not set: at least 32 random characters, such as  openssl rand"
    " -base64 32  prints\n  B24_CLIENT_SECRET is not set: the application's client_secret",
    "Stored data cannot be decrypted: B24_SECRET_KEY lacks the key it was stored with. Add that key again, behind the"
    " newer ones.",
    '  File "/app/bizproc/portal/installations.py", line 243, in _stored\n    access=self._secrets.decrypt(row.access_token)'
    ".decode(),\n           ^^^^^^^^^^^^^",
    "KeyError: 'access_token'",
    "TypeError: Tokens.__init__() missing 1 required positional argument: 'refresh_token'",
    "missing: ['access_token', 'refresh_token', 'expires_in']",
    "access_token=None, refresh_token=&domain=x",
    '{"auth": "", "domain": "acme.bitrix24.com", "password": null}',
    'FATAL:  password authentication failed for user "b24"',
    "ImportError in tests.handlers.test_an_install_that_is_not_proven_is_refused",
    "fingerprint 3a5f0c21 of anna.save_document, code 0123456789abcdef0123456789abcdef",
    "[2026-11-21 14:48:57 +0000] [41] [INFO] Listening at: http://127.0.0.1:8000 (41)",
    '127.0.0.1 - - [21/Nov/2026 14:58:59] "POST /activities/save_document HTTP/1.1" 200 -',
    "https://acme.bitrix24.com/rest/bizproc.activity.add.json http://127.0.0.1:8000/a@b https://app.example.com/files/1",
    "Basic settings of the author; a secretary authorized the authority",
    "Grüße, мир 100% ✓",
    "",
]  # fmt: skip
