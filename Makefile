# Two commands are enough on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt
STAMP := .venv/.installed
ALONE := .venv/.alone
WORKERS ?= 2

.PHONY: demo test slow ray lint docs fuzz bench install clean

demo: $(ALONE)  ## train four optimizers on the flights that ship with the package, and write a report
	$(BIN)/steepest demo --out runs/demo

# Threads of OpenMP that wait for each other use no processor: two workers with two threads each on two cores wait a lot.
test slow ray fuzz: export OMP_WAIT_POLICY = passive

test: $(STAMP)  ## every check and every test
	$(MAKE) --no-print-directory -j $(WORKERS) lint docs  # each needs one core
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

ray: $(STAMP)  ## install Ray, some 280 MB, and run the tests of clusters, which `make test` skips without it
	$(INSTALL) --editable '.[ray]'
	$(BIN)/python -m pytest tests/sweep/test_ray.py -m "slow or not slow"

bench: $(STAMP)  ## measured claims, each with its peer in the same run
	$(BIN)/python -m benchmarks

install: $(STAMP)

$(ALONE): pyproject.toml constraints.txt  # the package without extras
	$(PYTHON) -m venv .venv
	$(INSTALL) torch
	$(INSTALL) --editable .
	$(BIN)/python -m compileall -q src/steepest  # an editable install leaves that to the first run
	@touch $@

$(STAMP): $(ALONE)  # what the checks and tests need besides
	$(INSTALL) --editable '.[dev]'
	@touch $@

clean:
	rm -rf .venv benchmarks/.venvs build dist
