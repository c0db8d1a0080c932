# make run    everything, from an empty folder to data/final     make ui     Dagster's page
# make test   the whole suite on both engines                    make check  lint, format, types, definitions
# make golden the hashes of what is computed, made again, with what changed
# make torture   commands killed at many moments and hostile files, written to docs/reliability.md
# make simulate  how often the four answers are wrong, and make forecasts how good the forecasts are, into docs/metrics.md
# make bench  times, written to docs/benchmarks.md               make screenshots  Dagster's page, into docs/images
# Only Python 3.11 and make are needed; .venv is made when it is missing or out of date.

# Distributions build Python with profile-guided optimisation, pyenv only if it is asked to: a run on three purchases
# then takes 7 % longer. A distribution's Python may lack what an environment is made with.
PYTHON ?= $(shell /usr/bin/python3.11 -c 'import ensurepip, venv' 2>/dev/null && echo /usr/bin/python3.11 || echo python3.11)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
export DAGSTER_DISABLE_TELEMETRY = 1
# Compiled modules are kept: to compile those of the platform takes each process 0.3 s.
unexport PYTHONDONTWRITEBYTECODE
# A test process ends before the JVM would have earned its optimising compiler back. Without that one the JVM keeps room
# for a fifth of the compiled code only; and from a small start, it collects garbage whenever its heap or classes grow.
# The classes are those of released jars: to start and to write a first table took 18 s of CPU without their verification,
# and 20 s with it. Without Hadoop's native library, Spark starts a chmod for each file that it writes: by one program
# instead of two, those of two Delta writes took 100 ms of CPU instead of 140.
SHORT_JVM := -XX:+UnlockDiagnosticVMOptions -XX:-BytecodeVerificationRemote -XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=256m -XX:+UseSerialGC -XX:MetaspaceSize=512m -Xms1g -Xmn640m -Djdk.lang.Process.launchMechanism=VFORK

.PHONY: golden torture forecasts simulate run test test-sail test-orchestration test-sample test-shops test-page test-spark check lint types ui bench screenshots clean

run: $(STAMP)
	$(BIN)/cip run --sample

# The tests of whole runs: of the sample, which is run once for all of them, and of other shops.
RUNS := cip_assets_tests/integration cip_assets_tests/reporting

# The tests of Dagster's page mostly wait. Those of exports and of the generator follow them, so that all end together.
PAGE := cip_assets_tests/integration/test_dagster_page.py
AFTER_PAGE := cip_assets_tests/sources cip_assets_tests/synthetic

# The tests of runs, sensors and commands on the small landing folder.
SMALL_RUNS := cip_assets_tests/orchestration cip_assets_tests/cli

# Spark's half needs more of the CPU than any other process, so it goes first where the cores do not suffice.
LATER := nice -n 5

# All at once: each waits a good deal, Dagster's page most, and what each says is printed together. The first that needs
# the small folder after a run makes it for all.
test: $(STAMP)
	@share=$$(mktemp -d) && trap 'rm -rf "$$share"' EXIT && export CIP_TESTS_SHARE="$$share" && \
	$(MAKE) --no-print-directory --jobs=6 --output-sync=target \
	    test-sail test-page test-orchestration test-sample test-shops test-spark

test-sail: $(STAMP)
	CIP_ENGINE=sail $(LATER) $(BIN)/pytest -m "not page" \
	    $(RUNS:%=--ignore=%) $(AFTER_PAGE:%=--ignore=%) $(SMALL_RUNS:%=--ignore=%)

test-orchestration: $(STAMP)
	CIP_ENGINE=sail $(LATER) $(BIN)/pytest -m "not page" $(SMALL_RUNS)

test-sample: $(STAMP)
	CIP_ENGINE=sail $(LATER) $(BIN)/pytest -m "sample and not page" $(RUNS)

test-shops: $(STAMP)
	CIP_ENGINE=sail $(LATER) $(BIN)/pytest -m "not sample and not page" $(RUNS)

test-page: $(STAMP)
	CIP_ENGINE=sail $(BIN)/pytest $(PAGE) $(AFTER_PAGE)

# Spark's data still has two partitions. Their tasks take turns, because the other tests need the cores.
test-spark: $(STAMP)
	@if command -v java >/dev/null 2>&1; then \
	    PYSPARK_SUBMIT_ARGS="--driver-java-options '$(SHORT_JVM)' pyspark-shell" CIP_SPARK_MASTER="local[1]" \
	    CIP_ENGINE=spark $(BIN)/pytest -m engine $(AFTER_PAGE:%=--ignore=%); \
	elif [ -n "$$CI" ]; then \
	    echo "JAVA IS MISSING: the Spark half of the suite cannot run, and CI may not go without it." >&2; exit 1; \
	else \
	    echo "JAVA IS MISSING: the Spark half of the suite was NOT run. Install Java 17 or later." >&2; \
	fi

check: lint types

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy
	$(BIN)/dg check defs

ui: $(STAMP)
	$(BIN)/cip ui

bench: $(STAMP)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[bench]'
	$(BIN)/python -m benchmarks.start
	$(BIN)/python -m benchmarks

golden: $(STAMP)
	$(BIN)/python -m cip_assets_tests.golden

simulate: $(STAMP)
	$(BIN)/python -m cip_assets_tests.simulation

forecasts: $(STAMP)
	$(BIN)/python -m cip_assets_tests.simulation.forecasts

torture: $(STAMP)
	CIP_ENGINE=sail $(BIN)/python -m cip_assets_tests.torture
	CIP_ENGINE=spark $(BIN)/python -m cip_assets_tests.torture
	$(BIN)/python -m cip_assets_tests.torture fuzz
	$(BIN)/python -m cip_assets_tests.torture stream
	$(BIN)/python -m cip_assets_tests.torture clusters

screenshots: $(STAMP)
	PYTHONPATH=. $(BIN)/python docs/screenshots.py

clean:
	rm -rf $(VENV)

# The environment is remade when the pins change.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $(STAMP)
