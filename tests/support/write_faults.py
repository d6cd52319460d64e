"""Write docs/faults.md: `python -m tests.support.write_faults`."""

from tests.support.chronicle import PAGE, page, records

if __name__ == "__main__":
    PAGE.write_text(page(records()))
