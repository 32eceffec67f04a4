"""Starts ministack, the local AWS of the rehearsal, with the corrections that Failopen's traffic needs.

Usage: launcher.py --port PORT --endpoint URL

The corrections replace private names of one version of ministack, so another version, or a name that is gone, ends the
start with a sentence. What a correction does is told by its module: health_checks, alarms, distributions, permissions.

IAM is enforced: the key `test` may do everything, every function what its role allows.

It listens on 127.0.0.1 only, and ends with its process group (the functions) when its standard input is closed: whoever
started it is gone then. The environment is the caller's business, and small: every Lambda function inherits it.
"""

import argparse
import importlib.metadata
import os
import signal
import sys
import threading

VERSION = "1.5.33"


def settle_environment(port: int, endpoint: str) -> None:
    """Says what ministack reads from the environment while it is imported."""
    os.environ.update(
        {
            "GATEWAY_PORT": str(port),
            # The default is every interface of the machine.
            "BIND_HOST": "127.0.0.1",
            # Otherwise an MQTT port is opened on every interface as soon as `cryptography` can be imported.
            "IOT_MTLS_ENABLED": "0",
            # The host in the URLs that custom resources answer to; `localhost` may mean ::1 first.
            "MINISTACK_HOST": "127.0.0.1",
            # Given to every function; without it a function would address the real AWS.
            "AWS_ENDPOINT_URL": endpoint,
            "AUTH": "true",
        }
    )


def refuse_unknown_version() -> None:
    found = importlib.metadata.version("ministack")
    if found != VERSION:
        sys.exit(
            f"local AWS: the corrections are written for ministack {VERSION}, and this is {found}. "
            "Nothing was started. Install the versions of requirements.txt."
        )
    try:
        import cbor2  # noqa: F401
    except ImportError:
        sys.exit(
            "local AWS: the package cbor2 is missing, and without it alarms would be stored empty. "
            "Nothing was started. Install the versions of requirements.txt."
        )


def end_with_starter() -> None:
    """Ends this process group, the functions included, once nobody holds the other end of standard input."""
    sys.stdin.buffer.read()
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--port", type=int, required=True, help="the one port for all services, on 127.0.0.1")
    arguments.add_argument("--endpoint", required=True, help="where functions find AWS: this port, or a proxy before it")
    parsed = arguments.parse_args()
    # ministack reads the command line too.
    sys.argv = sys.argv[:1]

    refuse_unknown_version()
    settle_environment(parsed.port, parsed.endpoint)

    import alarms
    import distributions
    import health_checks
    import permissions

    for module in (health_checks, alarms, distributions, permissions):
        module.correct()

    threading.Thread(target=end_with_starter, daemon=True).start()

    import ministack.app

    ministack.app.main()


if __name__ == "__main__":
    main()
