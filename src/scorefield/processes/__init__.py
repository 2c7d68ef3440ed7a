"""Forward noising, x_t = α(t) x_0 + σ(t) z: processes, each of which states α, σ and the inverse of σ/α."""

from scorefield.processes.base import Process
from scorefield.processes.continuous import EDM, VE, VP, PowerVE, RectifiedFlow, SubVP
from scorefield.processes.ddpm import DDPM

__all__ = ["DDPM", "EDM", "VE", "VP", "PowerVE", "Process", "RectifiedFlow", "SubVP"]
