#!/usr/bin/env python3
"""Makes the sample files beside it, with another implementation than ours: OpenSSL through `cryptography`.

Every file holds the same accounts with the published test seed of RFC 4226 (and, for the second, that of RFC 6238 for
SHA-256). Salts and nonces are counted up, so that the files stay the same. Run it in this folder.
"""

import base64
import csv
import hashlib
import hmac
import io
import json
import struct
import urllib.parse

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

PASSPHRASE = b"correct horse battery staple"
SEED = b"12345678901234567890"
SEED256 = b"12345678901234567890123456789012"


def b32(seed):
    return base64.b32encode(seed).decode().rstrip("=")


def b64(data):
    return base64.b64encode(data).decode()


def salt(length, start=1):
    return bytes((start + at) % 256 for at in range(length))


def gcm(key, nonce, plain, extra=None):
    return AESGCM(key).encrypt(nonce, plain, extra)


def cbc(key, iv, plain):
    padder = padding.PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    return encryptor.update(padder.update(plain) + padder.finalize()) + encryptor.finalize()


def pbkdf2(hash_name, password, salt_bytes, rounds):
    return hashlib.pbkdf2_hmac(hash_name, password, salt_bytes, rounds, 32)


def write(name, content):
    data = content if isinstance(content, bytes) else content.encode()
    with open(name, "wb") as file:
        file.write(data)


def text(value):
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def aegis():
    def entry(kind, issuer, name, info):
        return {
            "type": kind,
            "uuid": "01234567-89ab-4cde-8f01-23456789abcd",
            "name": name,
            "issuer": issuer,
            "note": "",
            "favorite": False,
            "icon": None,
            "info": info,
            "groups": [],
        }

    vault = {
        "version": 3,
        "entries": [
            entry("totp", "Example", "alice@example.com",
                  {"secret": b32(SEED), "algo": "SHA1", "digits": 6, "period": 30}),
            entry("totp", "Bank", "alice",
                  {"secret": b32(SEED256), "algo": "SHA256", "digits": 8, "period": 60}),
            entry("hotp", "Counter", "alice",
                  {"secret": b32(SEED), "algo": "SHA1", "digits": 6, "counter": 7}),
            entry("steam", "Steam", "gamer",
                  {"secret": b32(SEED), "algo": "SHA1", "digits": 5, "period": 30}),
            entry("motp", "Office", "bob",
                  {"secret": b32(SEED), "algo": "MD5", "digits": 6, "period": 10, "pin": "1234"}),
        ],
        "groups": [],
        "icons_optimized": True,
    }
    write("aegis-plain.json",
          text({"version": 1, "header": {"slots": None, "params": None}, "db": vault}))

    master = salt(32, 100)
    n, r, p = 1 << 15, 8, 1
    kdf_salt = salt(32, 3)

    def slot(password, start):
        key = Scrypt(salt=kdf_salt, length=32, n=n, r=r, p=p).derive(password)
        sealed = gcm(key, salt(12, start), master)
        return {
            "type": 1,
            "uuid": "11234567-89ab-4cde-8f01-23456789abcd",
            "key": sealed[:-16].hex(),
            "key_params": {"nonce": salt(12, start).hex(), "tag": sealed[-16:].hex()},
            "n": n, "r": r, "p": p,
            "salt": kdf_salt.hex(),
            "repaired": True,
            "is_backup": False,
        }

    finger = {
        "type": 2,
        "uuid": "21234567-89ab-4cde-8f01-23456789abcd",
        "key": salt(32).hex(),
        "key_params": {"nonce": salt(12).hex(), "tag": salt(16).hex()},
    }
    sealed = gcm(master, salt(12, 40), json.dumps(vault).encode())
    file = {
        "version": 1,
        "header": {
            "slots": [finger, slot(b"another password", 10), slot(PASSPHRASE, 20)],
            "params": {"nonce": salt(12, 40).hex(), "tag": sealed[-16:].hex()},
        },
        "db": b64(sealed[:-16]),
    }
    write("aegis-encrypted.json", text(file))
    file["header"]["slots"] = [finger]
    write("aegis-fingerprint-only.json", text(file))


def two_fas():
    def service(name, account, secret, otp):
        return {
            "name": name,
            "secret": secret,
            "updatedAt": 1700000000000,
            "otp": {"account": account, "issuer": name, "source": "manual", **otp},
            "order": {"position": 0},
        }

    services = [
        service("Example", "alice@example.com", b32(SEED),
                {"digits": 6, "period": 30, "algorithm": "SHA1", "tokenType": "TOTP"}),
        service("Bank", "alice", b32(SEED256),
                {"digits": 8, "period": 60, "algorithm": "SHA256", "tokenType": "TOTP"}),
        service("Counter", "alice", b32(SEED),
                {"digits": 6, "counter": 7, "algorithm": "SHA1", "tokenType": "HOTP"}),
        service("Steam", "gamer", b32(SEED), {"tokenType": "STEAM", "digits": 5, "period": 30}),
    ]
    file = {
        "services": services,
        "groups": [],
        "updatedAt": 1700000000000,
        "schemaVersion": 4,
        "appVersionCode": 5000000,
        "appVersionName": "5.0.0",
        "appOrigin": "android",
    }
    write("2fas-plain.2fas", text(file))
    kdf_salt, nonce = salt(256, 9), salt(12, 50)
    key = pbkdf2("sha256", PASSPHRASE, kdf_salt, 10000)
    sealed = gcm(key, nonce, json.dumps(services).encode())
    encrypted = ":".join([b64(sealed), b64(kdf_salt), b64(nonce)])
    write("2fas-encrypted.2fas", text({**file, "services": [], "servicesEncrypted": encrypted}))


def and_otp():
    def token(issuer, label, secret, kind, more):
        return {
            "secret": secret, "issuer": issuer, "label": label, "digits": 6, "type": kind,
            "algorithm": "SHA1", "thumbnail": "Default", "last_used": 0, "used_frequency": 0,
            "tags": [], **more,
        }

    tokens = [
        token("Example", "alice@example.com", b32(SEED), "TOTP", {"period": 30}),
        token("Bank", "alice", b32(SEED256), "TOTP",
              {"algorithm": "SHA256", "digits": 8, "period": 60}),
        token("Counter", "alice", b32(SEED), "HOTP", {"counter": 7}),
        token("Steam", "gamer", b32(SEED), "STEAM", {"digits": 5, "period": 30}),
    ]
    plain = json.dumps(tokens).encode()
    write("andotp-plain.json", text(tokens))
    rounds, kdf_salt, nonce = 150000, salt(12, 0xF0), salt(12, 60)
    key = pbkdf2("sha1", PASSPHRASE, kdf_salt, rounds)
    write("andotp-encrypted.json.aes",
          struct.pack(">I", rounds) + kdf_salt + nonce + gcm(key, nonce, plain))
    nonce = salt(12, 0xF0)
    write("andotp-first.json.aes", nonce + gcm(hashlib.sha256(PASSPHRASE).digest(), nonce, plain))


def freeotp_plus():
    def signed(seed):
        return [byte - 256 if byte > 127 else byte for byte in seed]

    def token(issuer, label, seed, kind, more):
        return {
            "algo": "SHA1", "counter": 0, "digits": 6, "issuerExt": issuer, "issuerInt": issuer,
            "label": label, "period": 30, "secret": signed(seed), "type": kind, **more,
        }

    tokens = [
        token("Example", "alice@example.com", SEED, "TOTP", {}),
        token("Bank", "alice", SEED256, "TOTP", {"algo": "SHA256", "digits": 8, "period": 60}),
        token("Counter", "alice", SEED, "HOTP", {"counter": 7}),
        token("", "Signed:bytes", bytes([0, 127, 128, 255] * 5), "TOTP", {}),
    ]
    order = ["Example:alice@example.com", "Bank:alice", "Counter:alice", "Signed:bytes"]
    write("freeotp-plus.json", text({"tokenOrder": order, "tokens": tokens}))


def varint(number):
    out = b""
    while True:
        byte, number = number & 0x7F, number >> 7
        out += bytes([byte | (0x80 if number else 0)])
        if not number:
            return out


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def google():
    def token(seed, name, issuer, algorithm, digits, kind, counter):
        return field(1, field(1, seed) + field(2, name) + field(3, issuer) + field(4, algorithm)
                     + field(5, digits) + field(6, kind) + field(7, counter))

    parts = [
        token(SEED, "Example:alice@example.com", "Example", 1, 1, 2, 0)
        + token(SEED256, "alice", "Bank", 2, 2, 2, 0),
        token(SEED, "alice", "Counter", 1, 1, 1, 7)
        + token(SEED, "Old:md5", "Old", 4, 1, 2, 0),
    ]
    links = []
    for index, tokens in enumerate(parts):
        # The identity of an export is a negative int32: ten bytes.
        message = (tokens + field(2, 1) + field(3, len(parts)) + field(4, index)
                   + field(5, 2**64 - 12345678))
        data = urllib.parse.quote(b64(message), safe="")
        links.append("otpauth-migration://offline?data=" + data)
    write("google-1.txt", links[0] + "\n")
    write("google-2.txt", links[1] + "\n")
    write("google-both.txt", "\n".join(links + [links[0]]) + "\n")


def stratum():
    def token(kind, issuer, user, seed, more):
        return {
            "Type": kind, "Icon": None, "Issuer": issuer, "Username": user, "Secret": b32(seed),
            "Pin": None, "Algorithm": 0, "Digits": 6, "Period": 30, "Counter": 0, "CopyCount": 0,
            "Ranking": 0, **more,
        }

    file = {
        "Authenticators": [
            token(2, "Example", "alice@example.com", SEED, {}),
            token(2, "Bank", "alice", SEED256, {"Algorithm": 1, "Digits": 8, "Period": 60}),
            token(1, "Counter", "alice", SEED, {"Counter": 7}),
            token(4, "Steam", "gamer", SEED, {"Digits": 5}),
            token(5, "Yandex", "bob", SEED, {"Pin": "1234"}),
        ],
        "Categories": [],
        "AuthenticatorCategories": [],
        "CustomIcons": [],
    }
    plain = json.dumps(file).encode()
    write("stratum-plain.json", text(file))
    kdf_salt, nonce = salt(16, 5), salt(12, 70)
    key = Argon2id(salt=kdf_salt, length=32, iterations=3, lanes=4,
                   memory_cost=64 * 1024).derive(PASSPHRASE)
    write("stratum-encrypted.stratum",
          b"AUTHENTICATORPRO" + kdf_salt + nonce + gcm(key, nonce, plain))
    kdf_salt, iv = salt(20, 5), salt(16, 70)
    key = pbkdf2("sha1", PASSPHRASE, kdf_salt, 64000)
    write("stratum-former.authpro", b"AuthenticatorPro" + kdf_salt + iv + cbc(key, iv, plain))


LINKS = [
    f"otpauth://totp/Example:alice%40example.com?secret={b32(SEED)}&issuer=Example",
    f"otpauth://totp/Bank:alice?secret={b32(SEED256)}&issuer=Bank&algorithm=SHA256&digits=8&period=60",
    f"otpauth://hotp/Counter:alice?secret={b32(SEED)}&issuer=Counter&counter=7",
]


def uri_list():
    more = [
        f"otpauth://steam/Steam:gamer?secret={b32(SEED)}&issuer=Steam",
        "motp://Office:bob?secret=0123456789abcdef",
        f"otpauth://totp/Guarded:alice?secret={b32(SEED256)}&pin=True",
        "a line that is no link",
        "otpauth://totp/Broken:alice?secret=1!8",
    ]
    write("links.txt", "\r\n".join(LINKS + [""] + more) + "\r\n")


def proton():
    def entry(kind, uri, name):
        return {
            "id": "01234567-89ab-4cde-8f01-23456789abcd",
            "content": {"uri": uri, "entry_type": kind, "name": name},
            "note": None,
        }

    entries = [entry("Totp", link, "alice") for link in LINKS]
    entries.append(entry("Steam", f"steam://{b32(SEED)}", "Steam gamer"))
    file = {"version": 1, "entries": entries}
    write("proton-plain.json", text(file))
    kdf_salt, nonce = salt(16, 7), salt(12, 80)
    key = Argon2id(salt=kdf_salt, length=32, iterations=2, lanes=1,
                   memory_cost=19 * 1024).derive(PASSPHRASE)
    sealed = nonce + gcm(key, nonce, json.dumps(file).encode(), b"proton.authenticator.export.v1")
    write("proton-encrypted.json",
          text({"version": 1, "salt": b64(kdf_salt), "content": b64(sealed)}))


def bitwarden():
    def item(name, user, totp):
        return {
            "id": "01234567-89ab-4cde-8f01-23456789abcd", "type": 1, "name": name, "notes": None,
            "favorite": False, "fields": [], "collectionIds": None,
            "login": {"uris": [], "username": user, "password": "not ours", "totp": totp},
        }

    items = [
        item("Example", "alice@example.com", b32(SEED).lower()),
        item("Bank", "alice", LINKS[1]),
        item("Counter", "alice", LINKS[2]),
        item("Steam", "gamer", f"steam://{b32(SEED)}"),
        item("Without a code", "alice", None),
        {"type": 2, "name": "A note", "notes": "text", "secureNote": {"type": 0}},
    ]
    file = {"encrypted": False, "folders": [], "items": items}
    write("bitwarden-plain.json", text(file))
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(["folder", "favorite", "type", "name", "notes", "fields", "reprompt",
                   "login_uri", "login_username", "login_password", "login_totp"])
    for one in items[:5]:
        login = one["login"]
        notes = 'two lines,\n"quoted"'
        rows.writerow(["", "", "login", one["name"], notes, "", "0", "https://example.com",
                       login["username"], login["password"], login["totp"] or ""])
    write("bitwarden.csv", out.getvalue())

    def protected(kdf, key, more):
        enc = HKDFExpand(hashes.SHA256(), 32, b"enc").derive(key)
        mac = HKDFExpand(hashes.SHA256(), 32, b"mac").derive(key)

        def sealed(plain, start):
            iv = salt(16, start)
            content = cbc(enc, iv, plain)
            tag = hmac.new(mac, iv + content, "sha256").digest()
            return "2." + "|".join([b64(iv), b64(content), b64(tag)])

        return {
            "encrypted": True,
            "passwordProtected": True,
            "salt": SALT,
            "kdfType": kdf,
            **more,
            "encKeyValidation_DO_NOT_EDIT": sealed(b"01234567-89ab-4cde-8f01-23456789abcd", 90),
            "data": sealed(json.dumps(file).encode(), 110),
        }

    SALT = b64(salt(16, 11))
    key = pbkdf2("sha256", PASSPHRASE, SALT.encode(), 100000)
    write("bitwarden-pbkdf2.json", text(protected(0, key, {"kdfIterations": 100000})))
    key = Argon2id(salt=hashlib.sha256(SALT.encode()).digest(), length=32, iterations=3, lanes=4,
                   memory_cost=32 * 1024).derive(PASSPHRASE)
    write("bitwarden-argon2.json",
          text(protected(1, key, {"kdfIterations": 3, "kdfMemory": 32, "kdfParallelism": 4})))
    write("bitwarden-account.json",
          text({"encrypted": True, "encKeyValidation_DO_NOT_EDIT": "2.x|y|z", "items": []}))


for make in [aegis, two_fas, and_otp, freeotp_plus, google, stratum, uri_list, proton, bitwarden]:
    make()
