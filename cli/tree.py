"""The tree of all commands, for ``jfc --tree``."""

from __future__ import annotations

import click


def command_tree(command: click.Command, ctx: click.Context, indent: str = "") -> list[str]:
    """Return one line for each command below a group, drawn as a tree."""
    lines = [] if indent else [ctx.info_name or command.name or ""]
    if not isinstance(command, click.Group):
        return lines
    names = command.list_commands(ctx)
    for position, name in enumerate(names):
        last = position == len(names) - 1
        child = command.get_command(ctx, name)
        if child is None:
            continue
        lines.append(f"{indent}{'└── ' if last else '├── '}{name}  {child.get_short_help_str(60)}")
        lines += command_tree(child, ctx, indent + ("    " if last else "│   "))
    return lines
