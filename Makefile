# Two commands are enough on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
WORKERS ?= 2

.PHONY: demo test slow lint docs fuzz bench install clean

demo: $(STAMP)  ## train four optimizers on the flights that ship with the package, and write a report
	$(BIN)/steepest demo --out runs/demo

test: lint docs  ## every check and every test
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

docs: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet --site-dir .venv/site

fuzz: $(STAMP)  ## 2,000 broken files, odd dates, numbers as text and encodings for each reader (`make test` draws 60)
	$(BIN)/python -m pytest tests/robust/test_fuzz.py tests/robust/test_fuzz_texts.py -n $(WORKERS) --fuzz-cases 2000 -m "slow or not slow"

slow: $(STAMP)  ## the tests that `make test` leaves out
	$(BIN)/python -m pytest -n $(WORKERS) -m slow

bench: $(STAMP)  ## measured claims, each with its peer in the same run
	$(BIN)/python -m benchmarks

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt torch
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

clean:
	rm -rf .venv benchmarks/.venvs build dist
