"""One command for each habit: `nox -l` lists them, CONTRIBUTING.md says what they are for."""

from pathlib import Path

import nox

nox.options.sessions = ["tests", "lint"]
LABS = (
    ("benchmarks.kills", "--count", "200"),
    ("benchmarks.hook_kills", "--count", "60", "--scenes", "100"),
    ("benchmarks.power_cuts",),
    ("benchmarks.sync_days", "--count", "100"),
    ("benchmarks.pairs", "--count", "40"),
    ("benchmarks.disk_full", "--count", "40"),
    ("benchmarks.stops",),
    ("benchmarks.soak", "--files", "600", "--faulty", "0.10"),
    ("benchmarks.stores", "kills", "strangers", "many", "--count", "3"),
    ("benchmarks.shards",),
    ("benchmarks.orders", "--schedules", "500"),
    ("benchmarks.fuzz",),
    ("benchmarks.decisions",),
    ("benchmarks.mutants",),
)


@nox.session
def tests(session: nox.Session) -> None:
    """The whole suite, or what is named behind `--`."""
    session.install("-e", ".[test]")
    session.run("python", "-m", "pytest", "-n", "2", *session.posargs)


@nox.session
def rules(session: nox.Session) -> None:
    """Only the decisions: the tests of the modules that decide, wherever they stand."""
    session.install("-e", ".[test]")
    session.run("python", "-m", "tests.deciding", "-n", "2", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Style, mistakes, types."""
    session.install("-e", ".[lint,test]")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("mypy")


@nox.session
def docs(session: nox.Session) -> None:
    """The pages as a site in .site/; a warning is an error."""
    session.install("-e", ".[docs]")
    session.run("mkdocs", "build", *session.posargs)


@nox.session
def package(session: nox.Session) -> None:
    """Build sdist and wheel, and run the demo from the wheel, away from this folder."""
    session.install("build")
    session.run("python", "-m", "build", "--outdir", f"{session.create_tmp()}/dist")
    (wheel,) = Path(session.create_tmp(), "dist").glob("*.whl")
    session.install("--force-reinstall", str(wheel))
    session.chdir(session.create_tmp())
    session.run("landsat-async", "demo", "--no-progress")


@nox.session
def coverage(session: nox.Session) -> None:
    """The suite with coverage, stated for each package."""
    session.install("-e", ".[test]")
    session.run("python", "-m", "pytest", "-n", "2", "--cov=landsat_async", "--cov-report=", *session.posargs)
    packages = sorted(file.parent.name for file in Path("landsat_async").glob("*/__init__.py"))
    for package in packages:
        share = session.run("coverage", "report", f"--include=landsat_async/{package}/*", "--format=total", silent=True)
        session.log(f"{package}: {str(share).strip()} %")


@nox.session
def labs(session: nox.Session) -> None:
    """The long figures; hours on a small machine."""
    session.install("-e", ".[test]")
    for lab in LABS:
        session.run("python", "-m", *lab)
    session.run("python", "-m", "pytest", "-n", "2", "--hypothesis-profile=full", "-m", "slow or not slow")


@nox.session
def bench(session: nox.Session) -> None:
    """Our transfers beside other programs, as far as they are installed."""
    session.install("-e", ".[bench]")
    session.run("python", "-m", "benchmarks", *session.posargs)
