"""The throw-away certificate of a cluster on this machine: who does not hold its key can neither connect nor listen.

Dask runs whatever it receives, and other users of the machine reach 127.0.0.1 too. Scheduler, workers and client of
one cluster therefore share one key pair, which exists in their memory only, and refuse everybody else (mutual TLS,
RFC 8446, 4.3.2). Dask's own ``Security.temporary`` makes an RSA certificate that expires after a year, when a server
could no longer restart its workers.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from distributed.security import Security

VALIDITY = timedelta(days=36500)
"""The key never leaves the cluster's processes and ends with them."""
_CLOCK_ERROR = timedelta(days=1)


def throwaway_security() -> Security:
    """Return Dask's security settings with a new key pair that serves as its own authority.

    Returns:
        Settings that require encryption and the certificate of every peer.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "lazytile")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_ERROR)
        .not_valid_after(now + VALIDITY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    public = certificate.public_bytes(serialization.Encoding.PEM).decode()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    pairs = {
        f"tls_{role}_{part}": text
        for role in ("client", "scheduler", "worker")
        for part, text in (("cert", public), ("key", private))
    }
    return Security(require_encryption=True, tls_ca_file=public, **pairs)  # type: ignore[no-untyped-call]
