"""Writes the bill of materials of an image in CycloneDX format: python bill_of_materials.py ROOT PYTHON FILE.

It lists the Python packages that cyclonedx-py finds; the Debian packages, from ROOT's dpkg database and copyright
files; and, from bundled.json, libraries that are linked into a package but not named in its metadata. Each has a
licence. It runs during the build, outside the image. The result does not depend on when or where it runs.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense
from cyclonedx.output.json import JsonV1Dot6
from debian.copyright import Copyright, NotMachineReadableError
from debian.deb822 import Packages
from packageurl import PackageURL

OURS = "sagemaker-gluoncv-container"
BUNDLED = json.loads(Path(__file__).with_name("bundled.json").read_text())


def python_packages(python: Path) -> Bom:
    """Return the packages that a Python interpreter finds; packages that declare no licence get the one we know."""
    command = [Path(sys.executable).with_name("cyclonedx-py"), "environment", "--output-reproducible", python]
    bom = Bom.from_json(json.loads(subprocess.check_output(command)))
    for component in bom.components:
        if component.name == OURS:
            # It is not on PyPI.
            component.purl = None
        if not component.licenses:
            known = BUNDLED["undeclared"].get(component.name)
            component.licenses = [DisjunctiveLicense(id=known)] if known else []
        for inner in BUNDLED["inside"].get(component.name.removesuffix("-cu112"), ()):
            component.components.add(
                Component(
                    type=ComponentType.LIBRARY,
                    name=inner["name"],
                    version=inner["version"] or None,
                    bom_ref=f"{component.name}/{inner['name']}",
                    purl=PackageURL("generic", None, inner["name"], inner["version"] or None),
                    licenses=[DisjunctiveLicense(id=inner["license"])],
                )
            )
    return bom


def licences(copyright_file: Path) -> list[DisjunctiveLicense]:
    """Return the licences that a Debian copyright file names; if no program can read it, a pointer to the file."""
    try:
        with copyright_file.open() as file:
            paragraphs = list(Copyright(file, strict=False).all_paragraphs())
    except (NotMachineReadableError, ValueError):
        return [DisjunctiveLicense(name=f"see /{copyright_file.relative_to(copyright_file.parents[4])}")]
    named = {each.license.synopsis for each in paragraphs if getattr(each, "license", None)}
    return [DisjunctiveLicense(name=name) for name in sorted(named) if name]


def debian_packages(root: Path) -> Iterator[Component]:
    """Yield the packages that dpkg has installed under a root."""
    release = dict(line.split("=", 1) for line in (root / "etc/os-release").read_text().splitlines())
    with (root / "var/lib/dpkg/status").open() as status:
        for package in Packages.iter_paragraphs(status, use_apt_pkg=False):
            if package["Status"] != "install ok installed":
                continue
            name, version = package["Package"], package["Version"]
            qualifiers = {"arch": package["Architecture"], "distro": f"debian-{release['VERSION_ID'].strip(chr(34))}"}
            purl = PackageURL("deb", "debian", name, version, qualifiers)
            yield Component(
                type=ComponentType.LIBRARY,
                name=name,
                version=version,
                bom_ref=str(purl),
                purl=purl,
                licenses=licences(root / "usr/share/doc" / name / "copyright"),
            )


def main(root: Path, python: Path, target: Path) -> None:
    """Write the bill of materials of an image."""
    bom = python_packages(python)
    bom.components.update(debian_packages(root))
    without = [component.name for component in bom.components if not component.licenses]
    assert not without, f"No licence is known for {without}. Add it to image/bundled.json."
    answer = json.loads(JsonV1Dot6(bom).output_as_string())
    # These say when the bill was written, not what is in the image.
    answer.pop("serialNumber", None)
    answer["metadata"].pop("timestamp", None)
    target.write_text(json.dumps(answer, indent=1) + "\n")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
