"""Under which address a worker tells others to ask it."""

import socket
from ipaddress import ip_address


def reachable(host: str, port: int) -> str:
    """Return host:port as others may ask for it: "all addresses" is none, so this machine's name stands for it."""
    try:
        address = ip_address(host)
    except ValueError:
        return f"{host}:{port}"
    if address.is_unspecified:
        return f"{socket.gethostname()}:{port}"
    return f"[{host}]:{port}" if address.version == 6 else f"{host}:{port}"
