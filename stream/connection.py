"""How every part of the program talks to Kafka: the connection's settings, as aiokafka's clients take them."""

import ssl
from typing import Any

from stream.settings import Settings, SettingsError


class KafkaError(Exception):
    """Kafka is not as it must be; the message is one line for the user."""


def connection(settings: Settings) -> dict[str, Any]:
    """Return the arguments that every aiokafka client needs to reach the broker."""
    arguments: dict[str, Any] = {
        "bootstrap_servers": settings.brokers,
        "security_protocol": settings.security_protocol,
    }
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
