"""What has to be there before the first run: `aster prepare` runs this, outside the sandbox. Made by `aster init`.

Fetches the token shards as the checkout does (words are handed to its script: how many shards, 9 if none are given),
the kernels that the code asks the hub for, and the tokenizer's table.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
TOKENS = HERE / "data" / "fineweb10B"
FETCH = HERE / "data" / "cached_fineweb10B.py"
CACHE = Path.home() / ".cache"


def fetch_tokens(words: list[str]) -> None:
    """Fetch the shards, unless the folder is a link to those of the checkout: these stay as they are."""
    if TOKENS.is_symlink():
        print(f"tokens: those of the checkout, {TOKENS.resolve()}")
    elif FETCH.is_file():
        subprocess.run([sys.executable, str(FETCH), *(words or ["9"])], check=True)
    if not list(TOKENS.glob("fineweb_val_*.bin")) or not list(TOKENS.glob("fineweb_train_*.bin")):
        sys.exit(f"{TOKENS} holds no fineweb_train_*.bin and fineweb_val_*.bin: put the contest's shards there.")


def fetch_kernels(source: str) -> None:
    """Fetch the kernels that the code names, so that they are found without a network."""
    (CACHE / "huggingface").mkdir(parents=True, exist_ok=True)
    calls = re.findall(r"""get_kernel\(\s*["']([\w.-]+/[\w.-]+)["']\s*(?:,\s*version\s*=\s*(\d+))?""", source)
    if not calls:
        return
    from kernels import get_kernel

    for repository, version in dict.fromkeys(calls):
        get_kernel(repository, **({"version": int(version)} if version else {}))
        print(f"kernels: {repository} fetched")


def fetch_tokenizer(source: str) -> None:
    """Fetch the table of GPT-2's tokenizer, if the code reads it."""
    table = CACHE / "tiktoken"
    table.mkdir(parents=True, exist_ok=True)
    if "tiktoken.get_encoding(" in source:
        os.environ["TIKTOKEN_CACHE_DIR"] = str(table)
        import tiktoken

        tiktoken.get_encoding("gpt2")


if __name__ == "__main__":
    fetch_tokens(sys.argv[1:])
    code = "\n".join(path.read_text() for path in sorted((HERE / "solution").glob("*.py")))
    fetch_kernels(code)
    fetch_tokenizer(code)
