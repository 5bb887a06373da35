# make demo    a film of an agent with every step explained, and an explained photo
# make test    the tests; make test-long the long ones, which follow the documentation
# make docs    the documentation site, in site/: open site/index.html
# make check   formatting, lint, types, rooms, documentation, all tests
# make test-lowest   the tests with the lowest versions that pyproject.toml allows
# Each of them sets up everything it needs, in .venv.

BIN := .venv/bin

.PHONY: demo test test-long test-lowest docs check clean

demo: .venv/.set-up-all
	$(BIN)/rlvis record --policy cube-reach-choice --episodes 3 --seed 4 --overwrite \
	    --out out/demo/recording.zarr --video out/demo/rollout.mp4
	$(BIN)/rlvis explain docs/photos/cat.jpg --model efficientnet-lite0 \
	    --method grad-cam --top 3 --out out/demo/cat-explained.png
	@echo
	@echo "The film of the agent:  $(CURDIR)/out/demo/rollout.mp4"
	@echo "The explained photo:    $(CURDIR)/out/demo/cat-explained.png"
	@echo "Go on with docs/tour.md after:  source .venv/bin/activate"

test: .venv/.set-up-dev
	$(BIN)/python -m pytest -n 2 -m "not long"

test-long: .venv/.set-up-dev
	$(BIN)/python -m pytest -n 2 -m long

test-lowest: .venv/.set-up-dev
	scripts/test-lowest

docs: .venv/.set-up-dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

check: .venv/.set-up-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(MAKE) docs
	$(MAKE) test
	$(MAKE) test-long

.venv/.set-up-%: pyproject.toml constraints.txt scripts/set-up
	scripts/set-up $*

clean:
	rm -rf .venv .venv-lowest out site
