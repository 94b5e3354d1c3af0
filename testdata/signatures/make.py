"""Makes vectors.json: signatures of a bundle by implementations that are not ours.

    python3 make.py /usr/bin/minisign > vectors.json

Needs minisign (made with 0.11, Debian) and the Python package `cryptography` (made with 48.0). minisign's keys are random:
another run gives other, equally good vectors. The digest is computed here from its description in docs/policy.md.
"""
import base64, hashlib, json, pathlib, subprocess, sys, tempfile
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

FILES = {"bundle.yaml": 'version: "1.0"\nname: signed\ndefault: deny\n', "rules/a.yaml": "rules:\n- {id: one, action: allow, models: [x]}\n"}


def digest(files):
    hash = hashlib.sha256()
    for path, text in sorted(files.items()):
        for part in (path.encode(), text.encode()):
            hash.update(len(part).to_bytes(8, "big") + part)
    return hash.hexdigest()


def minisign(program, directory, key, message, *options):
    (directory / "message").write_bytes(message)
    subprocess.run([program, "-S", "-s", directory / f"{key}.key", "-m", directory / "message", "-x", directory / "sig",
                    "-t", "for tests", *options], check=True, stdout=subprocess.DEVNULL, input=b"")
    return (directory / "sig").read_text()


def main(program):
    ours, other = digest(FILES), "0" * 64
    keys, cases = {}, []
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        for key in ("minisign", "unknown"):
            subprocess.run([program, "-G", "-W", "-p", directory / f"{key}.pub", "-s", directory / f"{key}.key"], check=True, stdout=subprocess.DEVNULL)
            keys[key] = (directory / f"{key}.pub").read_text().splitlines()[1]
        make = lambda key, message, *options: minisign(program, directory, key, message, *options)
        good = make("minisign", ours.encode())
        cases += [
            {"what": "minisign, prehashed", "bundle.minisig": good, "signer": "minisign"},
            {"what": "minisign, legacy", "bundle.minisig": make("minisign", ours.encode(), "-l"), "signer": "minisign"},
            {"what": "minisign, the digest with a line end", "bundle.minisig": make("minisign", ours.encode() + b"\n"), "signer": "minisign"},
            {"what": "minisign, other files", "bundle.minisig": make("minisign", other.encode()), "error": "not of these files"},
            {"what": "minisign, an unknown key", "bundle.minisig": make("unknown", ours.encode()), "error": "not among `bundle_keys`"},
            {"what": "minisign, another trusted comment", "bundle.minisig": good.replace("for tests", "for toasts"), "error": "not of these files"},
            {"what": "minisign, cut", "bundle.minisig": good[:120], "error": "not a minisign signature"},
        ]
    for key, seed in (("ed25519", bytes(range(32))), ("unknown_ed25519", bytes(range(1, 33)))):
        private = Ed25519PrivateKey.from_private_bytes(seed)
        keys[key] = base64.b64encode(private.public_key().public_bytes_raw()).decode()
        sign = lambda message: base64.b64encode(private.sign(message.encode())).decode()
        if key == "ed25519":
            pem = private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()
            cases += [
                {"what": "Ed25519", "bundle.sig": sign(f"portcullis-bundle-v1:{ours}"), "signer": "ed25519"},
                {"what": "Ed25519 with a line end", "bundle.sig": sign(f"portcullis-bundle-v1:{ours}") + "\n", "signer": "ed25519"},
                {"what": "Ed25519, other files", "bundle.sig": sign(f"portcullis-bundle-v1:{other}"), "error": "no key among"},
                {"what": "Ed25519, without the prefix", "bundle.sig": sign(ours), "error": "no key among"},
                {"what": "both", "bundle.sig": sign(f"portcullis-bundle-v1:{ours}"), "bundle.minisig": good, "signer": "minisign"},
                {"what": "a good one and a bad one", "bundle.sig": sign(ours), "bundle.minisig": good, "error": "no key among"},
            ]
        else:
            cases.append({"what": "Ed25519, an unknown key", "bundle.sig": sign(f"portcullis-bundle-v1:{ours}"), "error": "no key among"})
    cases += [
        {"what": "not base64", "bundle.sig": "????", "error": "not an Ed25519 signature"},
        {"what": "empty", "bundle.sig": "", "error": "not an Ed25519 signature"},
        {"what": "far too long", "bundle.sig": "A" * 5000, "error": "at most 4096 bytes"},
        {"what": "none", "error": "the bundle is not signed"},
    ]
    json.dump({"files": FILES, "digest": ours, "keys": keys, "ed25519_pem": pem, "cases": cases}, sys.stdout, indent=1)
    print()


main(*sys.argv[1:])
