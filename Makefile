# Needs Python 3.11 or newer and make; everything else is installed into .venv from constraints.txt.
PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test check format bench clean

demo: .venv/demo.stamp
	$(BIN)/finetune fit data/fashion-mini --model efficientnet_lite0 --run-dir runs/demo --overwrite

test: .venv/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/python -m pytest -n 2 --dist loadfile

check: .venv/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m pytest -m "not keras and not slow"

format: .venv/dev.stamp
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: .venv/dev.stamp
	$(BIN)/python benchmarks/start_up.py --rounds 5
	$(BIN)/python benchmarks/trunk_rate.py --rounds 3
	$(BIN)/python benchmarks/head_trainer.py --rounds 3
	$(BIN)/python benchmarks/stacked_heads.py --heads 2 8 --rounds 1
	$(BIN)/python benchmarks/unfreeze.py --unfreeze 1 --pictures 128 --rounds 1
	$(BIN)/python benchmarks/plain_keras.py --pictures 400 --judged 0
	$(BIN)/python benchmarks/growth.py --short

clean:
	rm -rf .venv build *.egg-info .pytest_cache .ruff_cache

.venv/python.stamp:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv .venv
	touch $@

.venv/demo.stamp: .venv/python.stamp setup.cfg constraints.txt
	$(INSTALL) -e '.[weights]'
	touch $@

.venv/dev.stamp: .venv/demo.stamp
	$(INSTALL) -e '.[weights,hub,fast,tensorboard,dev]'
	touch $@
