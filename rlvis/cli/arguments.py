"""Arguments that several commands take, and what they are called."""

from typing import Annotated

from tyro.conf import UseAppendAction, arg

Methods = Annotated[UseAppendAction[tuple[str, ...]], arg(name="method", aliases=["-m"])]
RolloutMethods = Annotated[
    UseAppendAction[tuple[str, ...]], arg(name="method", aliases=["-m", "--methods"])
]
Targets = Annotated[UseAppendAction[tuple[str, ...]], arg(name="target", aliases=["-t"])]
Layers = Annotated[UseAppendAction[tuple[str, ...]], arg(name="layer", aliases=["-l"])]
UnitNumbers = Annotated[UseAppendAction[tuple[int, ...]], arg(name="unit", aliases=["-u"])]
EnvOptions = Annotated[UseAppendAction[tuple[str, ...]], arg(name="env-option")]
Wrappers = Annotated[UseAppendAction[tuple[str, ...]], arg(name="wrapper", aliases=["-w"])]
By = Annotated[UseAppendAction[tuple[str, ...]], arg(name="by")]
