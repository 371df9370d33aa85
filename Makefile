# make demo | test | setup | lint | audit | clean. Each sets up what it needs; the second time is quick.
# make tensorrt-rtx adds TensorRT for RTX, which builds engines with and without a GPU.
# ROS=jazzy uses the Jazzy wheels, beside the default ones, in .venv-jazzy and install-jazzy.
# PYTHON=python3.12 chooses the interpreter at the first setup.
ROS ?= kilted

suffix := $(if $(filter-out kilted,$(ROS)),-$(ROS))
VENV := $(CURDIR)/.venv$(suffix)
BUILD := build$(suffix)
INSTALL := install$(suffix)
run := $(VENV)/bin/deaot-env

PIP_AUDIT := 2.10.1

packages_ready := $(VENV)/.packages_ready
package_built := $(INSTALL)/.package_built
file_list := $(BUILD)/installed_files.txt

# DDS tests stay on this host, in shared memory that holds whole images. Fast DDS changed its name.
profile_variable := $(if $(filter jazzy,$(ROS)),FASTRTPS,FASTDDS)_DEFAULT_PROFILES_FILE
test_environment := OMP_WAIT_POLICY=passive ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST \
  $(profile_variable)=$(CURDIR)/config/fastdds_shm.xml

.PHONY: setup demo test lint audit clean tensorrt-rtx FORCE
.DELETE_ON_ERROR:

setup: $(package_built)

demo: setup
	$(VENV)/bin/deaot demo $(if $(SOURCE),'$(SOURCE)') $(if $(MASK),--mask '$(MASK)')

lint: $(packages_ready) $(VENV)/bin/hadolint
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/hadolint docker/*/Dockerfile

# A domain of its own: other runs on this host stay out of sight.
test: lint setup
	tools/setup_browser.sh
	env $(test_environment) ROS_DOMAIN_ID=$$(( $$$$ % 100 + 1 )) $(run) pytest $(PYTEST_ARGS)

tensorrt-rtx: $(packages_ready)
	$(VENV)/bin/python -m pip install -q --no-input --disable-pip-version-check --no-deps \
	  -r requirements/tensorrt_rtx.txt

# Known vulnerabilities of the pinned packages. Asks PyPI, so it is not part of the tests.
audit:
	python3 -m venv build/audit && build/audit/bin/pip install -q pip-audit==$(PIP_AUDIT)
	build/audit/bin/pip-audit --no-deps --disable-pip -r requirements/python.txt

clean:
	rm -rf $(VENV) $(BUILD) $(INSTALL) log demo_output

$(packages_ready): requirements/python.txt requirements/$(ROS).txt tools/setup_venv.sh
	rm -rf $(BUILD) $(INSTALL)
	PYTHON='$(PYTHON)' tools/setup_venv.sh $(VENV) $(ROS)
	touch $@

$(VENV)/bin/hadolint: requirements/lint.txt $(packages_ready)
	$(VENV)/bin/python -m pip install -q --no-input --disable-pip-version-check -r $<
	touch $@

# Sources are installed as links, so an edited file needs no build; a new or removed one does.
$(file_list): FORCE
	@mkdir -p $(@D)
	@find deaot_ros config launch models scripts -type f ! -name '*.pyc' | sort > $@.new
	@cmp -s $@.new $@ || cp $@.new $@

$(package_built): $(packages_ready) $(file_list) tools/link_install.py CMakeLists.txt package.xml \
  $(wildcard msg/*.msg srv/*.srv)
	unset PYTHONPATH _ROS_WHEELS_BOOTSTRAP_COMPLETE; PATH=$(VENV)/bin:$$PATH \
	AMENT_PREFIX_PATH=$(VENV) CMAKE_PREFIX_PATH=$(VENV) \
	$(VENV)/bin/colcon --log-base log build --symlink-install --base-paths . \
	  --build-base $(BUILD) --install-base $(INSTALL) --event-handlers console_cohesion- \
	  --cmake-args -DPython3_EXECUTABLE=$(VENV)/bin/python -DBUILD_TESTING=OFF
	find $(INSTALL) -xtype l -delete  # of sources that are gone
	$(VENV)/bin/python tools/link_install.py $(INSTALL)
	touch $@
