"""Look the pinned packages up in the index's list of known vulnerabilities.

    python .ci/audit.py [SECONDS]

Exit code 1 where one of them has a vulnerability that is known. Where the index cannot be asked, or
does not know the packages (a mirror keeps no such list), that is said in one line, and nothing
fails: whoever works offline is not stopped by it.
"""

import json
import os
import subprocess
import sys
from typing import Any

REQUIREMENTS = ("requirements.txt", "requirements-embedded.txt")
SECONDS = 120.0


def main(seconds: float) -> int:
    """Audit, and tell what was found."""
    options = [option for name in REQUIREMENTS for option in ("--requirement", name)]
    command = ["-m", "pip_audit", "--disable-pip", "--require-hashes", "--progress-spinner=off"]
    try:
        done = subprocess.run(
            [sys.executable, *command, "--format=json", *options],
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
            env=os.environ | {"PYTHONWARNINGS": "ignore"},
        )
        packages = json.loads(done.stdout)["dependencies"]
    except subprocess.TimeoutExpired:
        print(f"Vulnerabilities were not looked up: no answer within {seconds:.0f} s.")
        return 0
    except (json.JSONDecodeError, KeyError):
        why = (done.stderr.strip().splitlines() or ["no answer"])[-1]
        print(f"Vulnerabilities were not looked up: {why[:200]}")
        return 0
    return tell(packages)


def tell(packages: list[dict[str, Any]]) -> int:
    """Print what is known of the packages; 1 if there is a vulnerability."""
    asked = [package for package in packages if "skip_reason" not in package]
    found = [(package, vuln) for package in asked for vuln in package["vulns"]]
    for package, vuln in found:
        mended = ", ".join(vuln["fix_versions"]) or "no version yet"
        print(f"{package['name']} {package['version']}: {vuln['id']}, mended in {mended}")
    if found:
        return 1
    if not asked:
        print(f"Vulnerabilities were not looked up: the index knows none of {len(packages)}.")
        return 0
    unknown = f"; {left} were not looked up" if (left := len(packages) - len(asked)) else ""
    print(f"No known vulnerability in {len(asked)} packages{unknown}.")
    return 0


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS))
