# `make help` lists the targets. Each target builds .venv when it is missing or older than pyproject.toml or
# constraints.txt. That needs python3 (3.11 to 3.13) with venv and pip, nothing else: pip installs uv, and uv installs the
# pinned versions in a tenth of pip's time. Where uv cannot be installed or cannot reach an index, pip installs them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PIP := $(BIN)/python -m pip --disable-pip-version-check -q
UV := $(BIN)/uv pip install -q --python $(BIN)/python

# $(call install,ARGUMENTS): install with uv, or with pip where uv fails
install = $(UV) $(1) || { echo "uv could not install; pip tries, which takes longer"; $(PIP) install $(1); }

.PHONY: help demo test examples browser coverage mutation oldest newest lint types notebooks bench bench-ui docs docs-pages docs-tables soak soak-short bundle dist \
  lab app live clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c "import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))" \
	  || { echo "radar_nb needs Python 3.11, 3.12 or 3.13: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	@$(PIP) install -c constraints.txt uv || echo "pip could not install uv"
	@echo "installing radar_nb and its tools into $(VENV)"
	@$(call install,-c constraints.txt -e ".[dev]")
	@$(call install,--no-deps --target $(VENV)/ipykernel6 "ipykernel==6.31.0" "nest-asyncio==1.6.0")
	@touch $@

demo: $(STAMP) ## the main job with synthetic rain, no network: plan, download, extract, plot
	$(BIN)/radar-nb demo --folder demo

# glibc gives each thread a heap of its own, which keeps what large arrays have left: two heaps save 0.3 GB a process
test: $(STAMP) ## one law a test; the notebooks and the pages of docs/ are run by make examples
	MALLOC_ARENA_MAX=2 PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n auto --dist loadscope

examples: $(STAMP) ## run the notebooks, and compare what the code in docs/ and README.md prints
	MALLOC_ARENA_MAX=2 PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n auto --dist loadscope \
	  -p nbval.plugin --nbval-lax --nbval-current-env --nbval-cell-timeout=120 notebooks tests/examples

browser: $(STAMP) ## the widgets in JupyterLab and Voila in a real browser; installs Chromium where there is none
	@command -v "$${CHROMIUM:-chromium}" chromium-browser google-chrome >/dev/null \
	  || { apt-get -q update && apt-get -qy install --no-install-recommends chromium; } \
	  || { echo "make browser needs Chromium: install it, or set CHROMIUM to its path"; exit 1; }
	RADAR_NB_BROWSER=1 $(BIN)/python -m pytest tests/browser

coverage: $(STAMP) ## which lines and branches the tests reach; fails below the share in pyproject.toml
	$(BIN)/python -m pytest -n auto --dist loadscope --cov --cov-report=term:skip-covered --cov-report=html:build/coverage \
	  tests tests/examples src # without the notebooks: nbval and coverage both want to start in a kernel

mutation: $(STAMP) ## which small faults in months, catalogue, frames and archives no test sees; half an hour
	@$(call install,"mutmut==3.8.1")
	$(BIN)/mutmut run
	$(BIN)/mutmut results

oldest: ## the tests with the oldest versions that pyproject.toml allows, in an environment of their own
	$(PYTHON) -m venv --clear build/oldest
	build/oldest/bin/python -m pip --disable-pip-version-check -q install -c constraints.txt uv
	build/oldest/bin/uv pip install -q --python build/oldest/bin/python --resolution lowest-direct -e ".[dev]"
	build/oldest/bin/python -m pytest -W default $(OLDEST)

newest: ## the tests with the newest version of everything, PYTHON=python3.12 or later, in an environment of their own
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 12))" \
	  || { echo "the newest libraries need Python 3.12 or later: make newest PYTHON=python3.13"; exit 1; }
	$(PYTHON) -m venv --clear build/newest
	build/newest/bin/python -m pip --disable-pip-version-check -q install uv
	build/newest/bin/uv pip install -q --python build/newest/bin/python --upgrade -e ".[dev]"
	build/newest/bin/python -m pytest -W default $(NEWEST)

lint: $(STAMP) ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP) ## mypy, strict
	$(BIN)/mypy

notebooks: $(STAMP) ## run the notebooks again and keep their outputs
	$(BIN)/python scripts/run_notebooks.py

bench: $(STAMP) ## measure download, extraction, reading, opening, cubes, analyses and extremes against their baselines, and a day of now
	$(BIN)/python benchmarks/download.py
	$(BIN)/python benchmarks/extraction.py
	$(BIN)/python benchmarks/reading.py
	$(BIN)/python benchmarks/opening.py
	$(BIN)/python benchmarks/forms.py
	$(BIN)/python benchmarks/cube.py
	$(BIN)/python benchmarks/analysis.py
	$(BIN)/python benchmarks/extremes.py
	$(BIN)/python benchmarks/now.py

bench-ui: $(STAMP) ## measure the player, the calendar and the panel in a browser
	$(BIN)/python benchmarks/ui.py
	$(BIN)/python benchmarks/play.py --minutes 10 --every 1

soak: $(STAMP) ## faults, kills and hostile archives, counted in docs/reliability.md; ten minutes at most
	$(BIN)/python scripts/soak.py --write docs/reliability.md

soak-short: $(STAMP) ## a part of it in two minutes, nothing written
	$(BIN)/python scripts/soak.py --short

docs: $(STAMP) ## the documentation as a site in docs/_build/html, strictly and without a network
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html

docs-pages: $(STAMP) ## run the code of the documentation again and keep its outputs and pictures
	$(BIN)/python scripts/docs_pages.py

docs-tables: $(STAMP) ## write the tables of products, commands, errors, settings and decisions into their pages
	$(BIN)/python scripts/docs_tables.py

bundle: $(STAMP) ## join the explorer's JavaScript modules into the file that browsers load
	$(BIN)/python scripts/bundle_explorer.py

dist: $(STAMP) ## the sdist and the wheel in dist/, built twice and compared
	$(BIN)/python scripts/check_dist.py

lab: $(STAMP) ## JupyterLab in the notebooks folder
	$(BIN)/jupyter lab --notebook-dir notebooks

app: $(STAMP) ## the instrument as a web page
	$(BIN)/voila notebooks/app.ipynb --VoilaConfiguration.show_tracebacks=False

live: $(STAMP) ## rain now as a web page: notebooks/live.ipynb holds the places
	$(BIN)/voila notebooks/live.ipynb --VoilaConfiguration.show_tracebacks=False

clean: ## remove what make has built
	rm -rf $(VENV) build dist demo mutants .coverage* docs/_build docs/generated docs/notebooks .pytest_cache .mypy_cache .ruff_cache .hypothesis
