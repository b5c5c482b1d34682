"""TLS contexts for 127.0.0.1."""

from __future__ import annotations

import ssl
import subprocess
from shutil import which

import pytest


def make_certificate(path):
    """Make a self-signed certificate with the openssl command."""
    if which("openssl") is None:
        pytest.skip("the openssl command makes the certificate")
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=IP:127.0.0.1"]
    out = ["-keyout", str(path / "key.pem"), "-out", str(path / "cert.pem")]
    subprocess.run([*command.split(), *names, *out], check=True, capture_output=True)
    return path


def tls_contexts(path):
    """Return the TLS context of a server, and that of a client that trusts it."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(path / "cert.pem", path / "key.pem")
    return server, ssl.create_default_context(cafile=str(path / "cert.pem"))
