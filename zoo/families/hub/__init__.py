"""Backbones of KerasHub: "hub:NAME" for a preset of theirs, "hub:FOLDER" for one on this machine."""
