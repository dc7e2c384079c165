"""Builds the library with CMake and puts the package together around it; the rest stands in pyproject.toml."""
import os
import subprocess
import sys

from setuptools import Distribution, setup
from setuptools.command.build_py import build_py

ROOT = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(ROOT, "python"))
import assemble  # noqa: E402


class Build(build_py):
    def run(self):
        folder = os.path.join(ROOT, "build", "python")
        cmake = ["cmake", "-S", ROOT, "-B", folder, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release", "-DNILU_TESTS=OFF", "-DNILU_BENCH=OFF"]
        subprocess.run(cmake, check=True)
        subprocess.run(["cmake", "--build", folder, "--target", "nilu_shared"], check=True)
        assemble.main(os.path.join(folder, "libnilu.so"), self.build_lib)


class Binary(Distribution):
    def has_ext_modules(self):  # the library is for one kind of machine
        return True


setup(packages=["nilu"], package_dir={"": "python"}, cmdclass={"build_py": Build}, distclass=Binary)
