"""The command `rlvis methods`."""


def command() -> None:
    """List the attribution methods with their papers and options."""
    from rlvis.attribution import METHODS

    width = max(map(len, METHODS))
    for each in METHODS.values():
        options = ", ".join(f"{name}={default}" for name, default in each.defaults.items())
        print(f"{each.name:{width}}  {each.reference}" + (f"  [{options}]" if options else ""))
