"""Certificates made at test time: an authority of our own, and what it signs."""

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Pair:
    certificate: Path
    key: Path


class Authority:
    """Signs for 127.0.0.1."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.certificate, self._key = folder / f"{name}.pem", folder / f"{name}.key"
        self._serial = 1
        _openssl(
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}",
            "-keyout", self._key, "-out", self.certificate,
        )  # fmt: skip

    def signed(self, name: str) -> Pair:
        """Return a new certificate under a name of files; an old one of that name is replaced."""
        pair = Pair(certificate=self.folder / f"{name}.pem", key=self.folder / f"{name}.key")
        request, extensions = self.folder / f"{name}.csr", self.folder / "san.cnf"
        extensions.write_text("subjectAltName=IP:127.0.0.1\n")
        self._serial += 1
        _openssl(
            "req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", pair.key,
            "-out", request,
        )  # fmt: skip
        _openssl(
            "x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self._key, "-days",
            "2", "-set_serial", self._serial, "-extfile", extensions, "-out", pair.certificate,
        )  # fmt: skip
        return pair


def _openssl(*arguments: object) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
