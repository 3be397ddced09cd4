"""A directory that speaks OpenID Connect behind a real HTTP server: one person, codes with PKCE."""

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

CLIENT_ID = "review-queue"
CLIENT_SECRET = "a secret for tests"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


@dataclass
class Grant:
    """What was asked for, until its code is redeemed."""

    redirect_uri: str
    challenge: str
    nonce: str


class Directory(ThreadingHTTPServer):
    """`person` are the claims of whoever signs in."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self.server_address[1]}"
        self.person: dict[str, object] = {}
        self.grants: dict[str, Grant] = {}
        self.is_broken = False

    def allow(self, address: str) -> dict[str, str]:
        """The person says yes at `address`: what the browser brings back."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        assert (asked["client_id"], asked["response_type"]) == (CLIENT_ID, "code")
        assert asked["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(8)
        self.grants[code] = Grant(
            asked["redirect_uri"], asked["code_challenge"], asked.get("nonce", "")
        )
        return {"code": code, "state": asked["state"]}


class Handler(BaseHTTPRequestHandler):
    server: Directory

    def do_GET(self) -> None:
        if self.server.is_broken:
            self.send_error(500)
        elif self.path == "/.well-known/openid-configuration":
            issuer = self.server.issuer
            self.reply(
                {
                    "issuer": issuer,
                    "authorization_endpoint": f"{issuer}/authorize",
                    "token_endpoint": f"{issuer}/token",
                    "userinfo_endpoint": f"{issuer}/userinfo",
                    "jwks_uri": f"{issuer}/keys",
                    "token_endpoint_auth_methods_supported": ["client_secret_post"],
                }
            )
        elif self.path == "/userinfo" and self.headers["Authorization"] == "Bearer a token":
            self.reply(self.server.person)
        else:
            self.send_error(404)

    def do_POST(self) -> None:
        body = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        sent = {name: values[0] for name, values in body.items()}
        grant = self.server.grants.pop(sent.get("code", ""), None)
        if grant is None or not self._fits(sent, grant):
            self.reply({"error": "invalid_grant"}, 400)
            return
        now = int(time.time())
        claims = {"iss": self.server.issuer, "aud": CLIENT_ID, "iat": now, "exp": now + 60}
        token = jwt.encode(claims | self.server.person, KEY, algorithm="RS256")
        self.reply({"access_token": "a token", "token_type": "Bearer", "id_token": token})

    @staticmethod
    def _fits(sent: dict[str, str], grant: Grant) -> bool:
        digest = hashlib.sha256(sent.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        return (
            sent.get("client_secret") == CLIENT_SECRET
            and sent.get("redirect_uri") == grant.redirect_uri
            and challenge == grant.challenge
        )

    def reply(self, document: dict[str, object], status: int = 200) -> None:
        raw = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_arguments: object) -> None:
        pass


@contextmanager
def run_directory() -> Iterator[Directory]:
    """A running directory."""
    server = Directory()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
