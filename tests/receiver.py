"""The other end of a webhook: what Alertmanager has told, and Alertmanager's configuration with this end in it."""

import copy
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, Final

import yaml

from tests.watch import WATCHING

CONFIG: Final = WATCHING / "alertmanager" / "alertmanager.yml"

RECEIVERS: Final = {"seller": "sellers", "pipeline": "operators"}
"""Who is told of an alert, by its label `scope`."""


class Receiver:
    """Listens on this machine; `told` is every notification, newest last, each with the `path` that it came to."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        told = self.told

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                told.append({**json.loads(body), "path": self.path})
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def alerts(self, name: str, **labels: str) -> list[dict[str, Any]]:
        """Return every alert that was told with these labels, one after the other."""
        wanted = {"alertname": name, **labels}
        every = [alert for notification in self.told for alert in notification["alerts"]]
        return [alert for alert in every if wanted.items() <= alert["labels"].items()]

    def states(self, name: str, **labels: str) -> list[str]:
        """Return the statuses that an alert was told with."""
        return [alert["status"] for alert in self.alerts(name, **labels)]


def alertmanager_config() -> dict[str, Any]:
    told: dict[str, Any] = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    return told


def quick(receiver: Receiver) -> dict[str, Any]:
    """Return the configuration as it is, but for waits of a second and receivers that are `receiver`."""
    told = copy.deepcopy(alertmanager_config())
    told["route"] |= {"group_wait": "1s", "group_interval": "1s"}
    for one in told["receivers"]:
        (webhook,) = one["webhook_configs"]
        webhook["url"] = f"{receiver.url}/{one['name']}"
    return told
