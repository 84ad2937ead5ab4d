"""How every part of the program talks to Kafka: the connection's settings, and which is wrong where it fails."""

import asyncio
import ssl
from typing import Any, Final, NamedTuple

from aiokafka.conn import create_conn
from aiokafka.errors import (
    IllegalSaslStateError,
    KafkaConnectionError,
    KafkaTimeoutError,
    NodeNotReadyError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
from aiokafka.errors import KafkaError as ClientError
from aiokafka.protocol.metadata import MetadataRequest

from stream.errors import UserError
from stream.settings import Settings, SettingsError

REFUSED_BY_THE_CLIENT: Final = (ClientError, TimeoutError, OSError, ValueError, AssertionError, KeyError)
"""What the client raises where it finds no Kafka, or one that it can't talk to: the last three for strange answers."""

_LOOK_SECONDS: Final = 5.0
_OTHER_NAME: Final = {62, 64}  # OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH and ..._IP_ADDRESS_MISMATCH
_OTHER_TIME: Final = {9, 10}  # ..._CERT_NOT_YET_VALID and ..._CERT_HAS_EXPIRED
_OTHER_ENDS: Final = {
    "PLAINTEXT": "the port may ask for TLS or for a login",
    "SSL": "the port may talk no TLS, or ask for a login",
    "SASL_PLAINTEXT": "the port may ask for TLS",
    "SASL_SSL": "the port may talk no TLS",
}


class KafkaError(UserError):
    """Kafka is not as it must be; the message is one line for the user."""


def connection(settings: Settings) -> dict[str, Any]:
    """Return the arguments that every aiokafka client needs to reach the broker."""
    return {"bootstrap_servers": settings.brokers, **_security(settings)}


def _security(settings: Settings) -> dict[str, Any]:
    arguments: dict[str, Any] = {"security_protocol": settings.security_protocol}
    if settings.security_protocol.endswith("SSL"):
        arguments["ssl_context"] = _tls(settings)
    if settings.security_protocol.startswith("SASL"):
        arguments |= _login(settings)
    return arguments


def _tls(settings: Settings) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=settings.tls_ca)
    except (OSError, ssl.SSLError) as problem:
        raise SettingsError(f"STREAM_TLS_CA: {settings.tls_ca}: {problem}") from None


def _login(settings: Settings) -> dict[str, Any]:
    if settings.sasl_username is None or settings.sasl_password is None:
        raise SettingsError(
            f"STREAM_SASL_USERNAME and STREAM_SASL_PASSWORD (or STREAM_SASL_PASSWORD_FILE) must be set "
            f"for STREAM_SECURITY_PROTOCOL={settings.security_protocol}"
        )
    return {
        "sasl_mechanism": settings.sasl_mechanism,
        "sasl_plain_username": settings.sasl_username,
        "sasl_plain_password": settings.sasl_password.get_secret_value(),
    }


def failed(settings: Settings, problem: Exception) -> KafkaError:
    """Return what to raise where a broker that let us in fails a question."""
    broker = f"the broker at STREAM_BROKERS={settings.brokers}"
    if isinstance(problem, NodeNotReadyError):
        return KafkaError(f"{broker} can't be reached where it says that it is: see its advertised.listeners")
    return KafkaError(f"{broker} says: {_told(problem)}")


class _Finding(NamedTuple):
    """What an address of STREAM_BROKERS has against us; `reached` says that something answers there."""

    reached: bool
    told: str


async def why_unreachable(settings: Settings) -> str:
    """Return why no broker can be used, as one line that names the setting that is likely wrong.

    The client itself tries one address after the other and keeps their reasons to its log: so each is asked once more.
    """
    addresses = [address.strip() for address in settings.brokers.split(",")]
    findings = await asyncio.gather(*(_look(settings, address) for address in addresses))
    for address, finding in zip(addresses, findings, strict=True):
        if finding.reached:
            return f"the broker at {address} (STREAM_BROKERS) {finding.told}"
    told = dict.fromkeys(finding.told for finding in findings)
    return f"no broker answers at STREAM_BROKERS={settings.brokers}: {', '.join(told)}"


async def _look(settings: Settings, address: str) -> _Finding:
    host, _, port = address.rpartition(":")
    try:
        async with asyncio.timeout(_LOOK_SECONDS):
            opened = await create_conn(host.strip("[]"), int(port), **_security(settings))
            try:
                await opened.send(MetadataRequest([]))
            finally:
                opened.close()
    except REFUSED_BY_THE_CLIENT as problem:
        return _finding(problem, settings)
    return _Finding(True, "didn't answer at first, but does now: try again")


def _finding(problem: Exception, settings: Settings) -> _Finding:
    if isinstance(problem.__cause__, ssl.SSLError):  # what ended a connection that was established
        problem = problem.__cause__
    protocol = f"STREAM_SECURITY_PROTOCOL={settings.security_protocol} is likely wrong"
    match problem:
        case ssl.SSLCertVerificationError():
            told = _told_of_certificate(problem, settings)
        case ssl.SSLError(reason=str(reason)) if "CERTIFICATE_REQUIRED" in reason:
            told = "asks for a certificate of ours, which is not supported"
        case SaslAuthenticationFailed():
            told = _told_of_login(problem, settings)
        case UnsupportedSaslMechanismError():
            told = f"doesn't take STREAM_SASL_MECHANISM={settings.sasl_mechanism}"
        case IllegalSaslStateError():
            told = f"takes no login: {protocol}"
        case ssl.SSLError() | ConnectionResetError() | ConnectionAbortedError() | KafkaConnectionError():
            told = f"closes the connection: {protocol}, {_OTHER_ENDS[settings.security_protocol]}"
        case TimeoutError() | OSError() | UnicodeError():  # the last for a name that is none
            return _Finding(False, _told(problem))
        case _:
            told = f"gives no answer that can be used: {_told(problem)}"
    return _Finding(True, told)


def _told_of_certificate(problem: ssl.SSLCertVerificationError, settings: Settings) -> str:
    if problem.verify_code in _OTHER_NAME:
        told = "another name than in STREAM_BROKERS"
    elif problem.verify_code in _OTHER_TIME:
        told = "another time than now"
    elif settings.tls_ca is None:
        told = "an authority that the system doesn't trust; STREAM_TLS_CA names others"
    else:
        told = f"an authority that isn't in STREAM_TLS_CA={settings.tls_ca}"
    return f"shows a certificate of {told} ({problem.verify_message})"


def _told_of_login(problem: SaslAuthenticationFailed, settings: Settings) -> str:
    return (
        f"refuses the login: STREAM_SASL_USERNAME={settings.sasl_username}, STREAM_SASL_PASSWORD or "
        f"STREAM_SASL_MECHANISM={settings.sasl_mechanism} is wrong ({', '.join(map(str, problem.args))})"
    )


def _told(problem: Exception) -> str:
    return (
        "time-out" if isinstance(problem, TimeoutError | KafkaTimeoutError) else str(problem) or type(problem).__name__
    )
