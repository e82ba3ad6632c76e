"""A privacyIDEA server for tests: makes its database, keys and first rules in a folder, serves, and ends with its parent.

    serve.py FOLDER HOST PORT USERS [REMOVE]

Prints "ready" when it answers. The folder REMOVE goes when the parent has ended. A folder that holds a database already is served as it is. One process does all: each
of the server's own commands would cost seconds to start.
"""

import os
import pathlib
import shutil
import sys
import threading
import time

PARENT = os.getppid()
FOLDER, HOST, PORT, USERS = pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
BASE_URL = f"http://{HOST}:{PORT}"
CONFIG = FOLDER / "pi.cfg"
FIRST = not CONFIG.exists()
# SHA-256 crypt of USER_PASSWORD in tests/src/privacyidea.rs, with few rounds.
PASSWORD = "$5$rounds=1000$fortests$jotLD2DOJmBuuixvcc7ts4g.iWjbigWdVWSywPOain1"


def end_with_parent():
    while os.getppid() == PARENT:
        time.sleep(0.5)
    if len(sys.argv) > 5:
        shutil.rmtree(sys.argv[5], ignore_errors=True)
    os._exit(0)


threading.Thread(target=end_with_parent, daemon=True).start()

# The argon2 check of a token PIN is nine tenths of a request's work: cheap here.
# The pool is larger than usual: one request holds more than one connection, and tests ask all at once.
if FIRST:
    (FOLDER / "enckey").write_bytes(os.urandom(96))
    (FOLDER / "enckey").chmod(0o400)
    CONFIG.write_text(
        f"""
SUPERUSER_REALM = ['super']
SECRET_KEY = 'for tests only, and long enough to be one'
PI_PEPPER = 'for tests only'
SQLALCHEMY_DATABASE_URI = 'sqlite:///{FOLDER}/pi.sqlite'
SQLALCHEMY_ENGINE_OPTIONS = {{'pool_size': 20, 'max_overflow': 60, 'connect_args': {{'timeout': 30}}}}
PI_ENCFILE = '{FOLDER}/enckey'
PI_AUDIT_KEY_PRIVATE = '{FOLDER}/private.pem'
PI_AUDIT_KEY_PUBLIC = '{FOLDER}/public.pem'
PI_LOGFILE = '{FOLDER}/privacyidea.log'
PI_LOGLEVEL = 30
PI_UUID_FILE = '{FOLDER}/uuid.txt'
PI_NODE = 'test'
PI_BASE_URL = '{BASE_URL}'
PI_AUDIT_NO_PRIVATE_KEY_CHECK = True
PI_RESPONSE_NO_PRIVATE_KEY_CHECK = True
PI_HASH_ALGO_PARAMS = {{'argon2__rounds': 1, 'argon2__memory_cost': 8, 'argon2__parallelism': 1}}
"""
    )
    with open(FOLDER / "passwd", "w", encoding="ascii") as users:
        for number in range(USERS):
            users.write(
                f"user{number}:{PASSWORD}:{1000 + number}:{1000 + number}:User {number},,,,"
                f"user{number}@example.org:/home/user{number}:/bin/sh\n"
            )
os.environ["PRIVACYIDEA_CONFIGFILE"] = str(CONFIG)


def make_audit_keys():
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    (FOLDER / "private.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
    )
    (FOLDER / "public.pem").write_bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )


if FIRST:
    make_audit_keys()

from privacyidea.app import create_app  # noqa: E402
from werkzeug.serving import make_server  # noqa: E402

app = create_app(config_name="production", config_file=str(CONFIG), silent=True)


def prepare():
    from privacyidea.lib.auth import create_db_admin
    from privacyidea.lib.policy import set_policy
    from privacyidea.lib.realm import set_default_realm, set_realm
    from privacyidea.lib.resolver import save_resolver
    from privacyidea.models import db

    db.create_all()
    create_db_admin("admin", email="admin@example.org", password="admin")
    save_resolver(
        {"resolver": "users", "type": "passwdresolver", "fileName": str(FOLDER / "passwd")}
    )
    set_realm("example", [{"name": "users"}])
    set_default_realm("example")
    set_policy(
        "push_enroll",
        scope="enrollment",
        action={
            "push_firebase_configuration": "poll only",
            "push_registration_url": BASE_URL + "/ttype/push",
            "push_ttl": "10",
            "push_ssl_verify": "0",
            "tokenissuer": "Example Server",
        },
    )
    set_policy(
        "push_auth",
        scope="authentication",
        action={
            "push_text_on_mobile": "Log in from {client_ip} as {username}?",
            "push_title_on_mobile": "Example VPN",
            "push_ssl_verify": "0",
            "push_allow_polling": "allow",
        },
    )
    db.session.commit()


if FIRST:
    with app.app_context():
        prepare()

# Bound before "ready" is said: from then on every connection is answered.
server = make_server(HOST, PORT, app, threaded=True)
print("ready", flush=True)
server.serve_forever()
