"""A real broker behind every kind of door: TLS, logins, and doors that are wrong on purpose.

Certificates are made for the run and thrown away. Each listener has a name of its own; `PLAINTEXT` stays, as it is
where the broker is asked whether it is ready.
"""

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import trustme
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from stream.tools.kafka import Broker, free_port, kafka_command

USER: Final = "alice"
PASSWORD: Final = "passw0rd-9d41aa7e of alice"
MECHANISMS: Final = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")

_PROTOCOLS: Final = {
    "PLAINTEXT": "PLAINTEXT",
    "CONTROLLER": "PLAINTEXT",
    "SSL": "SSL",
    "SASL_SSL": "SASL_SSL",
    "SASL_PLAINTEXT": "SASL_PLAINTEXT",
    "SCRAM_ONLY": "SASL_PLAINTEXT",
    "EXPIRED": "SSL",  # a certificate of yesterday
    "ELSEWHERE": "SSL",  # a certificate of another host
    "MUTUAL": "SSL",  # asks for the client's certificate
    "ASTRAY": "PLAINTEXT",  # tells its clients an address where nobody is
}


@dataclass(frozen=True)
class Secured:
    """The running broker: where each listener is, and the authority that vouches for its certificates."""

    bootstrap: str
    addresses: Mapping[str, str]
    authority: Path
    other_authority: Path

    def door(self, listener: str, **settings: str) -> dict[str, str]:
        """The environment of who comes to a listener with everything that is right there, but for `settings`."""
        protocol = _PROTOCOLS[listener]
        environment = {"STREAM_BROKERS": self.addresses[listener], "STREAM_SECURITY_PROTOCOL": protocol}
        if protocol.endswith("SSL"):
            environment["STREAM_TLS_CA"] = str(self.authority)
        if protocol.startswith("SASL"):
            environment |= {"STREAM_SASL_USERNAME": USER, "STREAM_SASL_PASSWORD": PASSWORD}
        return environment | settings


@contextmanager
def secured_broker(directory: Path) -> Iterator[Secured]:
    authority, other = trustme.CA(), trustme.CA()
    authority.cert_pem.write_to_path(directory / "ca.pem")
    other.cert_pem.write_to_path(directory / "other-ca.pem")
    ports = {name: free_port([]) for name in _PROTOCOLS}
    addresses = {name: f"127.0.0.1:{port}" for name, port in ports.items()}
    properties = _listeners(addresses) | _certificates(authority) | _logins()
    with Broker(directory / "kafka", ports["PLAINTEXT"], properties=properties) as broker:
        for mechanism in MECHANISMS[1:]:
            _add_scram_user(broker.bootstrap, mechanism)
        yield Secured(broker.bootstrap, addresses, directory / "ca.pem", directory / "other-ca.pem")


def _listeners(addresses: Mapping[str, str]) -> dict[str, str]:
    advertised = {name: address for name, address in addresses.items() if name != "CONTROLLER"}
    advertised["ASTRAY"] = f"127.0.0.1:{free_port([])}"
    return {
        "listeners": ",".join(f"{name}://{address}" for name, address in addresses.items()),
        "advertised.listeners": ",".join(f"{name}://{address}" for name, address in advertised.items()),
        "listener.security.protocol.map": ",".join(f"{name}:{protocol}" for name, protocol in _PROTOCOLS.items()),
        "controller.quorum.voters": f"1@{addresses['CONTROLLER']}",
    }


def _certificates(authority: trustme.CA) -> dict[str, str]:
    yesterday = datetime.now(UTC) - timedelta(days=1)
    return {
        **_keystore("", authority.issue_cert("127.0.0.1", "localhost")),
        **_keystore("listener.name.expired.", authority.issue_cert("127.0.0.1", not_after=yesterday)),
        **_keystore("listener.name.elsewhere.", authority.issue_cert("kafka.example.org")),
        "listener.name.mutual.ssl.client.auth": "required",
        "listener.name.mutual.ssl.truststore.type": "PEM",
        "listener.name.mutual.ssl.truststore.certificates": _inline(authority.cert_pem.bytes()),
    }


def _keystore(prefix: str, certificate: trustme.LeafCert) -> dict[str, str]:
    key = load_pem_private_key(certificate.private_key_pem.bytes(), None)
    chain = b"".join(one.bytes() for one in certificate.cert_chain_pems)
    return {
        f"{prefix}ssl.keystore.type": "PEM",
        # The one form of a private key that Kafka reads.
        f"{prefix}ssl.keystore.key": _inline(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())),
        f"{prefix}ssl.keystore.certificate.chain": _inline(chain),
    }


def _inline(pem: bytes) -> str:
    return pem.decode().strip().replace("\n", "\\n")


def _logins() -> dict[str, str]:
    modules = "org.apache.kafka.common.security"
    plain = f'{modules}.plain.PlainLoginModule required user_{USER}="{PASSWORD}";'
    scram = f"{modules}.scram.ScramLoginModule required;"
    properties = {
        "sasl.enabled.mechanisms": ",".join(MECHANISMS),
        "listener.name.scram_only.sasl.enabled.mechanisms": "SCRAM-SHA-256",
    }
    for listener in ("sasl_ssl", "sasl_plaintext", "scram_only"):
        for mechanism in MECHANISMS:
            login = plain if mechanism == "PLAIN" else scram
            properties[f"listener.name.{listener}.{mechanism.lower()}.sasl.jaas.config"] = login
    return properties


def _add_scram_user(bootstrap: str, mechanism: str) -> None:
    credentials = f"{mechanism}=[iterations=4096,password={PASSWORD}]"
    asked = ["--alter", "--entity-type", "users", "--entity-name", USER, "--add-config", credentials]
    command = [*kafka_command(), "kafka.admin.ConfigCommand", "--bootstrap-server", bootstrap, *asked]
    added = subprocess.run(command, capture_output=True, text=True, check=False)
    assert added.returncode == 0, added.stderr
