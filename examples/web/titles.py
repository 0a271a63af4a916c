"""Write the titles of the films in a run on MovieLens-100K, for the demo page.

`make web` runs it. The file is a list of [item id, title], with the most frequent film first. Like
the data it comes from, it may not be redistributed.
"""

import argparse
import json
import sys
from pathlib import Path

from recgrela_train.config import load_config
from recgrela_train.data import item_titles, load_dataset
from recgrela_train.files import write_atomically

FILMS = "ml-100k"


def main() -> None:
    """Read the run's settings and data, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help=f"folder of a run on {FILMS}")
    parser.add_argument("output", type=Path, help="the JSON file to write")
    options = parser.parse_args()
    config = load_config(options.run / "config.yaml", [])
    if config.data.source != FILMS:
        raise ValueError(
            f"{options.run} was trained on {config.data.source}, expected a run on {FILMS}"
        )
    titles = item_titles(FILMS)
    items = load_dataset(config.data).item_ids  # most frequent first
    text = json.dumps([[int(item), titles[item]] for item in items], ensure_ascii=False)
    write_atomically(options.output, text.encode())


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
