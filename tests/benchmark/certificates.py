"""A certificate authority for one run, which the measured functions trust.

A function under test verifies as in production, and every connection does the same work as one to Google.
`requests` asks `certifi`: a copy of it is first on the path, whose bundle has our authority beside all the
real ones. For OpenSSL, `SSL_CERT_DIR` names a directory of the same certificates by their hashes, as
Google's images have it in `/etc/ssl/certs`.
"""

import datetime as dt
import ipaddress
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import certifi
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

LIFETIME = dt.timedelta(days=1)

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n", re.DOTALL)


@dataclass(frozen=True)
class Certificates:
    """Files: the mock's certificate and key, the authority, a bundle, and `certifi`'s folder."""

    chain: Path
    key: Path
    authority: Path
    bundle: Path
    python_path: Path


def make(folder, *addresses):
    """Write all files to `folder`; the server's certificate is for loopback and these addresses."""
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = _certificate("Benchmark CA", authority_key.public_key(), "Benchmark CA", authority_key)
    server = _certificate("127.0.0.1", key.public_key(), "Benchmark CA", authority_key, addresses)
    copied = folder / "python-path" / "certifi"
    shutil.copytree(Path(certifi.__file__).parent, copied, ignore=shutil.ignore_patterns("__pycache__"))
    bundle = copied / "cacert.pem"
    bundle.write_bytes(bundle.read_bytes() + b"\n# Benchmark CA\n" + _pem(authority))
    (folder / "authority.pem").write_bytes(_pem(authority))
    (folder / "chain.pem").write_bytes(_pem(server))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return Certificates(
        chain=folder / "chain.pem",
        key=folder / "key.pem",
        authority=folder / "authority.pem",
        bundle=bundle,
        python_path=copied.parent,
    )


def directory(certificates):
    """Return a new directory with all authorities, named by their hashes."""
    folder = certificates.bundle.with_name("authorities")
    folder.mkdir()
    for number, pem in enumerate(_PEM.findall(certificates.bundle.read_text())):
        (folder / f"{number}.pem").write_text(pem)
    subprocess.run(["openssl", "rehash", str(folder)], check=True)
    return folder


def _pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM)


def _certificate(subject, public_key, issuer, issuer_key, addresses=()):
    """A certificate for `subject`: an authority if it is its own issuer, else a server."""
    now = dt.datetime.now(dt.UTC)
    is_authority = subject == issuer
    usage = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement"), False
    )
    usage |= {"encipher_only": False, "decipher_only": False, "digital_signature": not is_authority}
    usage |= {"key_cert_sign": is_authority, "crl_sign": is_authority}
    identifier = x509.SubjectKeyIdentifier.from_public_key(public_key)
    issued_by = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - LIFETIME)
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**usage), critical=True)
        .add_extension(identifier, critical=False)
        .add_extension(issued_by, critical=False)
    )
    if not is_authority:
        ips = [x509.IPAddress(ipaddress.ip_address(address)) for address in ("127.0.0.1", *addresses)]
        names = x509.SubjectAlternativeName([*ips, x509.DNSName("localhost")])
        builder = builder.add_extension(names, critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def _name(common):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])
