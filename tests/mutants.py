"""``make mutants``: break the library in one place at a time, and see whether its tests notice.

Each mutant is a mistake that has been made somewhere: a sign, a √2, β for β/2, a missing g², a level too few. It is
written into a copy of the sources, and the tests that guard the file are run on the copy. A mutant is killed when a test fails; one
that survives is a hole in the tests, and makes this command fail. So does one whose text is no longer in the sources.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
FAILED = 1  # pytest's exit status when tests ran and some failed

GUARDS = {
    "processes": ["test_processes.py", "test_models.py"],
    "_noisy.py": ["test_models.py", "../test_classifier.py", "test_samplers.py"],
    "models.py": ["test_models.py", "test_samplers.py"],
    "classifier.py": ["../test_classifier.py"],
    "objectives/classification.py": ["../test_classifier.py"],
    "metrics/calibration.py": ["../test_classifier.py"],
    "preconditioning.py": ["test_preconditioning.py", "test_models.py"],
    "energy.py": ["test_energy.py", "test_models.py"],
    "grids": ["test_grids.py", "test_samplers.py"],
    "sampling.py": ["test_sampling.py", "test_samplers.py", "test_guidance_auto.py"],
    "_watch.py": ["test_sampling.py"],
    "_philox.py": ["test_philox.py"],
    "_noise.py": ["test_noise.py", "test_philox.py"],
    "_tensors.py": ["test_guidance_classes.py"],
    "_ode.py": ["../test_ode.py"],
    "likelihood": ["../test_likelihood.py", "test_units.py"],
    "likelihood/compression.py": ["../test_compression.py"],
    "likelihood/ladder.py": ["../test_compression.py"],
    "likelihood/lattice.py": ["../test_compression.py"],
    "likelihood/stack.py": ["../test_compression.py"],
    "guidance/auto.py": ["test_guidance_auto.py"],
    "training": ["../training/test_loop.py"],
    "training/state.py": ["../training/test_loop.py", "../training/test_stops.py"],
    "training/posthoc.py": ["../training/test_posthoc.py"],
    "training/signals.py": ["../training/test_stops.py"],
    "training/muon.py": ["../training/test_muon.py"],
    "training/checkpoint.py": ["../training/test_checkpoint.py"],
    "training/checkpoint_files.py": ["../training/test_checkpoint.py"],
    "guidance/classes.py": ["test_guidance_classes.py"],
    "guidance/inpainting.py": ["test_guidance_inpainting.py", "test_units.py"],
    "guidance/measurement.py": ["test_guidance_measurement.py", "test_units.py"],
    "guidance/operators.py": ["test_guidance_measurement.py", "test_units.py"],
    "guidance/rescaled.py": ["test_guidance_measurement.py", "test_units.py"],
    "guidance/particles.py": ["test_guidance_particles.py"],
    "samplers/budget.py": ["test_within.py"],
    "samplers": ["test_langevin.py", "test_mala.py", "test_strong_order.py", "test_samplers.py"],
    "objectives": ["test_objectives.py", "test_score_matching.py"],
    "densities": ["test_densities.py"],
    "metrics/memory.py": ["../metrics/test_memory.py"],
    "metrics/modes.py": ["../metrics/test_metrics.py", "../metrics/test_class_shares.py"],
    "metrics/features.py": ["../metrics/test_features.py"],
    "metrics/neighbourhoods.py": ["../metrics/test_features_neighbourhoods.py"],
    "metrics/classifier_test.py": ["../metrics/test_classifier_test.py"],
    "metrics/strokes.py": ["../metrics/test_classifier_test.py"],
    "metrics/resampling.py": ["../metrics/test_features.py"],
    "metrics/estimate.py": ["../metrics/test_features.py", "../metrics/test_metrics.py"],
    "metrics": ["../metrics/test_metrics.py"],
    "../scorefield_claims/basis.py": ["../claims/test_basis.py"],
    "../scorefield_claims/closure.py": ["../claims/test_closure.py"],
    "../scorefield_claims/results.py": ["../claims/test_basis.py", "../claims/test_store.py"],
    "../scorefield_claims/store.py": ["../claims/test_store.py"],
    "config": ["../config"],
    "data/arrays.py": ["../data/test_arrays.py"],
    "data/array_files.py": ["../data/test_arrays.py"],
    "data/batches.py": ["../data/test_batches.py"],
    "data/cifar.py": ["../data/test_cifar.py"],
    "data/dataset.py": ["../data/test_dataset.py"],
    "data/download.py": ["../data/test_download.py"],
    "data/folder.py": ["../data/test_folder.py"],
    "data/idx.py": ["../data/test_idx.py"],
    "units.py": ["../config/test_measure.py", "test_units.py"],
    "training/export.py": ["../training/test_export.py"],
    "interop": ["../interop"],
    "interop/adapters.py": ["../interop/test_adapters.py"],
    "interop/torch_file.py": ["../interop/test_layouts.py", "../field/test_pickles.py"],
    "interop/edm_file.py": ["../interop/test_edm_file.py", "../field/test_pickles.py"],
    "interop/recognition.py": ["../reference/test_other_configurations.py"],
    "interop/diffusers_out.py": ["../cli/test_convert_published.py"],
    "interop/score_sde_file.py": ["../cli/test_convert_published.py"],
    "plotting": ["../plotting", "../cli/test_pictures.py"],
    "hub.py": ["../test_cards.py", "../test_pretrained.py"],
    "_endings.py": ["../cli/test_guide.py"],
    "loaded.py": [
        "../test_loaded.py",
        "../cli/test_guide.py",
        "../test_pretrained.py",
        "../field/test_python_calls.py",
    ],
    "evaluation": ["../metrics/test_evaluation.py", "../cli/test_evaluate.py"],
    "networks": ["../networks"],
    "networks/mlp.py": ["../training/test_loop.py"],
    "networks/residual.py": ["../reference/test_other_configurations.py"],
    "networks/resampling.py": ["../reference/test_other_configurations.py"],
    "interop/edm.py": ["../reference/test_other_configurations.py"],
    "interop/score_sde.py": ["../reference/test_other_configurations.py"],
    "runs": ["../training/test_runs.py", "../training/test_stops.py"],
    "runs/run.py": ["../training/test_moments.py", "../training/test_runs.py", "../training/test_stops.py"],
    "pretrained.py": ["../test_save.py", "../test_pretrained.py"],
    "runs/lock.py": ["../training/test_runlock.py"],
    "runs/averages.py": ["../training/test_fitted.py"],
    "samplers/posterior.py": ["../training/test_fitted.py", "test_samplers.py"],
    "config/sampling.py": ["../training/test_fitted.py", "../config"],
    "advice.py": ["../test_advice.py"],
    "evaluation/restorations.py": ["../cli/test_solve.py", "../cli/test_inpaint.py"],
    "evaluation/likelihood.py": [
        "../metrics/test_evaluation.py",
        "../cli/test_evaluate.py",
        "../cli/test_likelihood_command.py",
    ],
    "cli/images.py": ["../cli/test_inpaint.py"],
    "cli/drawing.py": ["../cli/test_classes.py", "../cli/test_guide.py"],
    "config/suggested.py": ["../test_advice.py"],
    "cli/main.py": ["../cli/test_contract.py"],
    "cli/workers.py": ["../cli/test_workers.py"],
    "training/parts.py": ["../cli/test_shared.py"],
    "training/loop.py": ["../training/test_loop.py", "../field/test_resume.py"],
    "data/examples.py": ["../data/test_in_memory.py", "../training/test_loop.py"],
    "data/tables.py": ["../data/test_tables.py"],
    "app": ["../app/test_demo_server.py", "../app/test_demo_recipes.py"],
    "app/jobs.py": ["../app/test_demo_server.py"],
    "evaluation/imputing.py": ["test_imputation.py"],
    "evaluation/tuning.py": ["../cli/test_tune.py"],
    "_brownian.py": ["test_brownian.py"],
    "densities/combined.py": ["test_densities.py", "test_transforms.py"],
    "metrics/trace.py": ["../metrics/test_metrics.py"],
}


@dataclass(frozen=True)
class Mutant:
    """In ``file``, its path from the library's folder, ``right`` becomes ``wrong``."""

    name: str
    file: str
    right: str
    wrong: str


MUTANTS = [
    Mutant(
        "VP: β for β/2",
        "processes/continuous.py",
        "torch.exp(-0.5 * total), torch.sqrt",
        "torch.exp(-total), torch.sqrt",
    ),
    Mutant("sub-VP: VP's σ", "processes/continuous.py", "-torch.expm1(-total)\n", "torch.sqrt(-torch.expm1(-total))\n"),
    Mutant("g²: 2 missing", "processes/base.py", "torch.sqrt(2 * log_ratio_rate)", "torch.sqrt(log_ratio_rate)"),
    Mutant(
        "VE: time of σ, σ_min forgotten",
        "processes/continuous.py",
        "torch.log(ratio / self.sigma_min)",
        "torch.log(ratio)",
    ),
    Mutant("PowerVE: ratio not squared", "processes/continuous.py", "rate * ratio**2", "rate * ratio"),
    Mutant("Tweedie: σ for σ²", "models.py", "self.denoise(x, t) - x) / sigma**2", "self.denoise(x, t) - x) / sigma"),
    Mutant("flow: ½ missing", "models.py", "- 0.5 * like(g, x) ** 2", "- like(g, x) ** 2"),
    Mutant("flow: g for g²", "models.py", "0.5 * like(g, x) ** 2", "0.5 * like(g, x)"),
    Mutant("denoiser of a score: 1/α missing", "models.py", "* self.score(x, t)) / alpha", "* self.score(x, t))"),
    Mutant(
        "noise of the wrong sign",
        "models.py",
        "return -sigma * self.score",
        "return sigma * self.score",
    ),
    Mutant("slope in ln ρ: ρ missing", "models.py", "like(rho, y) * model.rows(rows).noise", "model.rows(rows).noise"),
    Mutant("EDM: c_skip not squared", "preconditioning.py", "(self.sigma_data / norm) ** 2", "self.sigma_data / norm"),
    Mutant("EDM: c_noise not a quarter", "preconditioning.py", "torch.log(ratio) / 4", "torch.log(ratio)"),
    Mutant("ladder: nearest in σ's stead the first", "preconditioning.py", ".abs().argmin", ".argmin"),
    Mutant(
        "labels: of the first rows, whichever are asked",
        "_tensors.py",
        "return a[index.to(a.device)]",
        "return a[: len(index)]",
    ),
    Mutant("energy: uphill", "energy.py", "return -self.energy(x, t)", "return self.energy(x, t)"),
    Mutant("ladder: last level skipped", "grids/cuts.py", "torch.cat([times, times[-1:]])", "times"),
    Mutant(
        "Karras: off by one",
        "grids/cuts.py",
        "ramp = torch.linspace(0, 1, self.steps + 1",
        "ramp = torch.linspace(0, 1, self.steps + 2",
    ),
    Mutant(
        "closing denoising at the wrong time",
        "sampling.py",
        "active.denoise(x, end.t)",
        "active.denoise(x, steps[-1].t)",
    ),
    Mutant("start from the wrong level", "sampling.py", "model.prior(steps[0].t)", "model.prior(steps[0].s)"),
    Mutant("first transition skipped", "sampling.py", "for step in steps:", "for step in steps[1:]:"),
    Mutant(
        "streams of noise are one", "_noise.py", 'derive_seed("noise", stream, block)', 'derive_seed("noise", block)'
    ),
    Mutant("rows share noise", "_noise.py", "+ (seeds % self._block)", "+ (seeds // 2 % self._block)"),
    Mutant("philox: six rounds", "_philox.py", "rounds: int = 10", "rounds: int = 6"),
    Mutant(
        "philox: element and seed change places",
        "_philox.py",
        "Words(element, draw, seeds[:, :1], seeds[:, 1:])",
        "Words(seeds[:, :1], draw, element, seeds[:, 1:])",
    ),
    Mutant("philox: a draw is the one before", "_noise.py", "self._drawn += 1", "self._drawn = 1"),
    Mutant("Dormand–Prince: a sign", "_ode.py", "-2187 / 6784", "2187 / 6784"),
    Mutant(
        "Dormand–Prince: step sizes from one error alone",
        "_ode.py",
        "(0.03 - 1 / ORDER) * last[rows] ** 0.04",
        "(-1 / ORDER)",
    ),
    Mutant("Dormand–Prince: error estimate", "_ode.py", "E = (71 / 57600", "E = (171 / 57600"),
    Mutant("likelihood: trace subtracted", "likelihood/flow.py", "top + volume + trace", "top + volume - trace"),
    Mutant("likelihood: volume of α forgotten", "likelihood/flow.py", "top + volume + trace", "top + trace"),
    Mutant("likelihood: probes summed", "likelihood/flow.py", "products.mean(1)", "products.sum(1)"),
    Mutant("bits: noise's entropy forgotten", "likelihood/bits.py", "log_q.to(log_p) - log_p", "-log_p"),
    Mutant("bits: decoder's bytes forgotten", "likelihood/bits.py", " - decoder.log_prob(images, z).to(log_p)", ""),
    Mutant("Muon: momentum not kept", "training/muon.py", "mul_(momenta, _MOMENTUM)", "mul_(momenta, 0.0)"),
    Mutant(
        "Muon: steps as long as the matrix says",
        "training/muon.py",
        " * 0.2 * max(weight.shape[0], weight.shape[1:].numel()) ** 0.5",
        "",
    ),
    Mutant("Muon: four iterations", "training/muon.py", "range(5)", "range(2)"),
    Mutant("Muon: G beside its factor", "training/muon.py", "q @ g @ q", "q @ g"),
    Mutant("Muon: all factors alike", "training/muon.py", "p @ wide[k]", "factors[0] @ wide[k]"),
    Mutant("Muon: gradients lost", "training/muon.py", "weight.grad = gradient", "pass"),
    Mutant("min-SNR: the larger", "objectives/weights.py", "clamp(max=self.gamma", "clamp(min=self.gamma"),
    Mutant(
        "checkpoint: what was written not compared", "training/checkpoint_files.py", ".read_bytes() != data", " is None"
    ),
    Mutant(
        "checkpoint: tensors not compared",
        "training/checkpoint_files.py",
        "or found != expected.numpy().data",
        "",
    ),
    Mutant("checkpoint: header not compared", "training/checkpoint_files.py", "if place != {", "if False and {"),
    Mutant("a run: what is not finite is saved", "runs/run.py", ":= self.state.not_finite()) is not None", ":= None)"),
    Mutant("a run: half a line stays", "runs/folder.py", "file.truncate(size)", "pass"),
    Mutant("a run: the kept lines forgotten", "runs/folder.py", "self._unwritten += json", "self._unwritten = json"),
    Mutant("a signal waits for the picture", "training/signals.py", "if self._drawing():", "if False:"),
    Mutant("the last signal is the code", "training/signals.py", "if self.received is None:", "if True:"),
    Mutant("checkpoint: any hash is right", "training/checkpoint_files.py", "!= entry:", "is None:"),
    Mutant(
        "checkpoint: shared memory twice",
        "training/checkpoint_files.py",
        "x.clone() if storage in storages else x",
        "x",
    ),
    Mutant(
        "checkpoint: the former copy goes first",
        "training/checkpoint.py",
        "_step_aside(path, temporary)\n",
        "_discard(path, temporary)\n",
    ),
    Mutant("finiteness: a sum is always well", "_watch.py", "and torch.isfinite(x.sum())", "and x.sum() is not None"),
    Mutant("bits: a byte told by a later one", "likelihood/neighbours.py", "(-1, 1), (0, -2)", "(1, -1), (0, -2)"),
    Mutant("bits: trust in bytes that are not likely", "likelihood/trust.py", "w * probable", "w"),
    Mutant(
        "classifiers: tested on what they learnt",
        "metrics/classifier_test.py",
        "(first, second) if k % 2 == 0",
        "(first, first) if True",
    ),
    Mutant("strokes: slant mirrored", "metrics/strokes.py", '"slant": -mu_11', '"slant": mu_11'),
    Mutant("averages: one step off", "training/posthoc.py", "(1 - 1 / step)", "(1 - 1 / (step + 1))"),
    Mutant("averages: shares that need not add up", "training/posthoc.py", "_WHOLE = 1e3", "_WHOLE = 0.0"),
    Mutant("bits: pseudocounts drawn", "likelihood/decoder.py", "choose, self._seen()", "choose, self.table"),
    Mutant("bits: waves that catch up with a neighbour", "likelihood/neighbours.py", "SLANT = 2", "SLANT = 1"),
    Mutant("bits: a draw deaf to its neighbours", "likelihood/decoder.py", "(-1, byte, self", "(-1, byte, 0 * self"),
    Mutant(
        "bits: a network that is not asked",
        "likelihood/decoder.py",
        "counted if self.network is None",
        "counted if True",
    ),
    Mutant("bits: a network that sees what comes", "likelihood/byte_network.py", "(i, j) < (0, 0)", "(i, j) <= (0, 0)"),
    Mutant(
        "bits: a network to which 253 is nearly 254",
        "likelihood/byte_network.py",
        "known[..., _CLOSE])",
        "0 * known[..., _CLOSE])",
    ),
    Mutant(
        "bits: samples finished without noise",
        "likelihood/decoder.py",
        "y[part], t, noise.normal())",
        "y[part], t, 0 * noise.normal())",
    ),
    Mutant(
        "files: a step's noise is the forward one",
        "likelihood/ladder.py",
        "step.posterior_variance**0.5",
        "step.variance**0.5",
    ),
    Mutant("files: the state forgotten", "likelihood/ladder.py", "return stay * self", "return 0 * self"),
    Mutant("files: states that are not random", "likelihood/ladder.py", "np.uint64(64 - PRECISION)", "np.uint64(63)"),
    Mutant("files: all images at once", "likelihood/compression.py", "1 + done // _ALONE", "batch"),
    Mutant("files: any model decodes", "likelihood/compression.py", "shape) == fingerprint", "shape) is not None"),
    Mutant("files: what is left does not matter", "likelihood/compression.py", "if not stack.empty:", "if False:"),
    Mutant(
        "files: a Gaussian half a point off",
        "likelihood/lattice.py",
        "_PARTS * edge - _PARTS // 2 - m",
        "_PARTS * edge - m",
    ),
    Mutant("files: a draw goes anywhere", "likelihood/lattice.py", "if self.drawn:", "if not self.lattice:"),
    Mutant("files: points that are impossible", "likelihood/lattice.py", " + j // _PARTS + count + 1", " + 1"),
    Mutant(
        "files: words in the wrong order",
        "likelihood/stack.py",
        "_words_of(self._noise, lacking)[::-1]",
        "_words_of(self._noise, lacking)",
    ),
    Mutant(
        "files: a head that grows too long",
        "likelihood/stack.py",
        "w << np.uint64(63 - PRECISION)",
        "w << np.uint64(64 - PRECISION)",
    ),
    Mutant("bits: trust not learnt", "likelihood/trust.py", "in range(_ITERATIONS)", "in range(1)"),
    Mutant("bits: trust without context", "likelihood/trust.py", "w = row[context]", "w = row[0 * context]"),
    Mutant("bound: half the integral", "likelihood/bits.py", "* (high - low) / levels", "* (high - low) / levels / 2"),
    Mutant(
        "bound: no price of the prior",
        "likelihood/bits.py",
        "nats += flatten(0.5 * (mean",
        "nats += flatten(0.0 * (mean",
    ),
    Mutant(
        "bound: data not scaled",
        "likelihood/bits.py",
        "process.perturb(y, t, noise.normal())",
        "process.perturb(2 * y, t, noise.normal())",
    ),
    Mutant("bits: cells twice as wide", "likelihood/bits.py", "-math.log2(cells.width)", "-math.log2(2 * cells.width)"),
    Mutant("Euler: forwards", "samplers/ode.py", "r = step.rho_s / step.rho_t", "r = step.rho_t / step.rho_s"),
    Mutant("Heun: second slope at t", "samplers/ode.py", "(y + h * first), step.s)", "(y + h * first), step.t)"),
    Mutant(
        "churn: standard deviations subtracted",
        "samplers/ode.py",
        "math.sqrt(raised.rho_t**2 - rho**2)",
        "(raised.rho_t - rho)",
    ),
    Mutant("transition: a forgotten in G²", "grids/step.py", "(self.shrink * self.sigma_s) ** 2", "self.sigma_s**2"),
    Mutant(
        "posterior variance: σ ratio not squared",
        "grids/step.py",
        "(self.sigma_s / self.sigma_t) ** 2",
        "(self.sigma_s / self.sigma_t)",
    ),
    Mutant(
        "reverse diffusion: the flow's ½",
        "samplers/posterior.py",
        "x + step.variance * model.score(x, step.t)\n",
        "x + 0.5 * step.variance * model.score(x, step.t)\n",
    ),
    Mutant(
        "ancestral: shrunk twice",
        "samplers/posterior.py",
        "* model.score(x, step.t)) / step.shrink",
        "* model.score(x, step.t)) * step.shrink",
    ),
    Mutant(
        "DDIM: noise added, none removed",
        "samplers/posterior.py",
        "max(0.0, step.sigma_s**2 - v) ** 0.5",
        "step.sigma_s",
    ),
    Mutant(
        "multistep: nodes one step off",
        "samplers/multistep.py",
        "(place + math.log(step.rho_t)) / h",
        "(place + math.log(step.rho_s)) / h",
    ),
    Mutant("multistep: never corrected", "samplers/multistep.py", "rule.corrected and", "False and"),
    Mutant("DPM-Solver++: ½ missing", "samplers/posterior.py", "h / (2 * memory.h)", "h / memory.h"),
    Mutant(
        "DPM-Solver++: never second order",
        "samplers/posterior.py",
        "h = -math.log(contraction)",
        "h = math.log(contraction)",
    ),
    Mutant("Euler–Maruyama: g for g²", "samplers/sde.py", "g**2 * model.score", "g * model.score"),
    Mutant("Euler–Maruyama: noise g h", "samplers/sde.py", "g * h**0.5", "g * h"),
    Mutant(
        "corrector at the wrong level",
        "samplers/predictor_corrector.py",
        "x, step.stay, corrected",
        "x, step.arrived, corrected",
    ),
    Mutant(
        "Langevin: ½ missing",
        "samplers/langevin.py",
        "x = x + 0.5 * alpha * model.score",
        "x = x + alpha * model.score",
    ),
    Mutant(
        "Langevin: √ missing",
        "samplers/langevin.py",
        "+ alpha**0.5 * noise.normal()\n    return x",
        "+ alpha * noise.normal()\n    return x",
    ),
    Mutant("code convention ignored", "samplers/langevin.py", "else 2 * step_size", "else step_size"),
    Mutant(
        "MALA: proposals the wrong way round", "samplers/langevin.py", "(forward - backward)", "(backward - forward)"
    ),
    Mutant("annealing: σ_L not squared", "samplers/langevin.py", "/ step.sigma_end**2\n", "/ step.sigma_end\n"),
    Mutant("annealing: instability accepted", "samplers/langevin.py", "if relative >= 4:", "if relative >= 8:"),
    Mutant("corrector: snr by √2", "samplers/langevin.py", "alpha = 4 * (self.snr", "alpha = 2 * (self.snr"),
    Mutant("DSM: ½ missing", "objectives/denoising.py", "return 0.5 * self.weight", "return self.weight"),
    Mutant("NCSN: target of the wrong sign", "objectives/denoising.py", "t) + z / sigma", "t) - z / sigma"),
    Mutant(
        "DAE: clean input",
        "objectives/denoising.py",
        "return sum_event((model.denoise(x_t, t) - x0) ** 2)",
        "return sum_event((model.denoise(x0, t) - x0) ** 2)",
    ),
    Mutant("weight λ = σ² not squared", "objectives/weights.py", "process.ratio(t) ** -2", "process.ratio(t) ** -1"),
    Mutant(
        "EDM weight: cross term",
        "objectives/weights.py",
        "(ratio**2 + self.sigma_data**2)",
        "(ratio + self.sigma_data) ** 2",
    ),
    Mutant("likelihood weight: g for g²", "objectives/weights.py", "g**2 * unit_weight", "g * unit_weight"),
    Mutant("sphere without its √D", "objectives/score_matching.py", "x[0].numel() / sum_event", "1 / sum_event"),
    Mutant(
        "SSM: curvature of the wrong sign",
        "objectives/score_matching.py",
        "sum_event(v * value) ** 2 + curvature",
        "sum_event(v * value) ** 2 - curvature",
    ),
    Mutant(
        "SSM-VR: ½ missing",
        "objectives/score_matching.py",
        "weight * (0.5 * sum_event(value**2) + curvature)",
        "weight * (sum_event(value**2) + curvature)",
    ),
    Mutant("Fisher: σ for σ²", "objectives/score_matching.py", "sigma**2 / alpha, gap", "sigma / alpha, gap"),
    Mutant("mixture: weights forgotten", "densities/gaussian.py", "self.log_weights.to(y) + log_normal", "log_normal"),
    Mutant(
        "densities: noises added, not their squares",
        "densities/base.py",
        "torch.sqrt((scale * s) ** 2 + noise**2)",
        "scale * s + noise",
    ),
    Mutant("ring: curvature 1/ρ forgotten", "densities/curved.py", "torch.log(2 * math.pi * r) + 2", "2"),
    Mutant(
        "banana: thickness forgotten in samples",
        "densities/curved.py",
        "self._bend(u) + self.std * z",
        "self._bend(u) + z",
    ),
    Mutant(
        "funnel: variance for standard deviation", "densities/curved.py", "torch.exp(0.5 * v) * z", "torch.exp(v) * z"
    ),
    Mutant(
        "moons: noise of the wrong variance",
        "densities/curved.py",
        "alpha**2 * self.std**2 + sigma**2\n        sharpest",
        "alpha * self.std**2 + sigma**2\n        sharpest",
    ),
    Mutant("data set: 2 missing in the exponent", "densities/empirical.py", "/ (2 * sigma**2)", "/ sigma**2"),
    Mutant(
        "checkerboard: area of a square",
        "densities/checkerboard.py",
        "2 * math.log(self._edge)",
        "math.log(self._edge)",
    ),
    Mutant(
        "classifier-free: weight off by one",
        "guidance/classes.py",
        "(1 + self.weight) * conditional.denoise(x, t) - self.weight *",
        "self.weight * conditional.denoise(x, t) - (self.weight - 1) *",
    ),
    Mutant("classifier: downhill", "guidance/classes.py", "t) + like(self.scale", "t) - like(self.scale"),
    Mutant(
        "classifier: σ for σ²", "guidance/classes.py", "self.scale * sigma**2 / alpha", "self.scale * sigma / alpha"
    ),
    Mutant(
        "classifier: labels left behind",
        "_noisy.py",
        "else take_rows(value, index)",
        "else value[: len(index)]",
    ),
    Mutant(
        "inpainting: mask inverted",
        "guidance/inpainting.py",
        "match_rows(self.mask, x), match",
        "~match_rows(self.mask, x), match",
    ),
    Mutant("inpainting: no noise on what is known", "guidance/inpainting.py", "at(t), z))", "at(t), 0 * z))"),
    Mutant(
        "inpainting: the level left, not the one reached",
        "guidance/inpainting.py",
        "renoise(x, step.s, ",
        "renoise(x, step.t, ",
    ),
    Mutant(
        "RePaint: never back up",
        "guidance/inpainting.py",
        "attempt(step.shrink * x + step.variance**0.5 * noise.normal())",
        "attempt(x)",
    ),
    Mutant("RePaint: G for G²", "guidance/inpainting.py", "step.variance**0.5 * noise", "step.variance * noise"),
    Mutant(
        "ΠGDM: guidance of the wrong sign", "guidance/measurement.py", "guide.denoised + like", "guide.denoised - like"
    ),
    Mutant(
        "ΠGDM: measurement noise ignored",
        "guidance/measurement.py",
        "self.spread(t), self.variance)",
        "self.spread(t), 0.0)",
    ),
    Mutant("ΠGDM: noise not squared", "guidance/measurement.py", "self.variance = noise**2", "self.variance = noise"),
    Mutant(
        "ΠGDM: r for r²",
        "guidance/measurement.py",
        "return (self.sigma_data * ratio) ** 2 /",
        "return (self.sigma_data * ratio) /",
    ),
    Mutant("DPS: uphill", "guidance/measurement.py", "return x - like(self.zeta", "return x + like(self.zeta"),
    Mutant(
        "DPS: the code's half step", "guidance/measurement.py", "-2 * problem.inside.adjoint", "-problem.inside.adjoint"
    ),
    Mutant(
        "DPS: misfit in the data's units", "guidance/measurement.py", "adjoint(misfit / measures)", "adjoint(misfit)"
    ),
    Mutant("ΠGDM: c for c²", "guidance/rescaled.py", "self.scale.to(prior).square()", "self.scale.to(prior)"),
    Mutant("log p: the volume of the units forgotten", "likelihood/flow.py", "+ trace - shrunk", "+ trace"),
    Mutant(
        "inpainting: the observation taken for a state",
        "guidance/inpainting.py",
        "return self.standardise(self.observed)",
        "return self.observed",
    ),
    Mutant("blur: Aᵀ is A", "guidance/operators.py", "self._filter(v, torch.conj)", "self._filter(v, lambda r: r)"),
    Mutant("blur: shifted", "guidance/operators.py", "[-(k // 2) for k", "[-(k // 2) + 1 for k"),
    Mutant("down-sampling: Aᵀ spreads sums", "guidance/operators.py", "dim=axis) / self.factor", "dim=axis)"),
    Mutant("conjugate gradients: one step", "guidance/operators.py", "for _ in range(most):", "for _ in range(1):"),
    Mutant("particles: density ratio inverted", "guidance/particles.py", "-sum_event(shift *", "sum_event(shift *"),
    Mutant(
        "particles: likelihood not telescoped", "guidance/particles.py", "+ guide.fit - here.guide.fit)", "+ guide.fit)"
    ),
    Mutant(
        "particles: weights kept after resampling",
        "guidance/particles.py",
        "torch.where(poor, 0.0, cloud",
        "torch.where(poor, cloud.log_weights, cloud",
    ),
    Mutant(
        "particles: chosen whatever their weight",
        "guidance/particles.py",
        "_pick(cloud.log_weights, noise",
        "_pick(0 * cloud.log_weights, noise",
    ),
    Mutant(
        "cross entropy: clean states",
        "objectives/classification.py",
        "*noised(model.process, x0, self.times, noise)",
        "x0, noised(model.process, x0, self.times, noise)[1]",
    ),
    Mutant("classifier: x not divided by α", "classifier.py", "x / like(alpha, x) - self", "x - self"),
    Mutant("classifier: no label counted", "classifier.py", "ignore_index=self.classes", "ignore_index=-100"),
    Mutant(
        "calibration: twice the noise", "metrics/calibration.py", "noise.normal().to(x0))", "2 * noise.normal().to(x0))"
    ),
    Mutant(
        "guided by a weak model: towards it", "guidance/auto.py", "denoised + self.weight", "denoised - self.weight"
    ),
    Mutant(
        "guided by a weak model: at every level", "guidance/auto.py", "(step) if low <=", "(step) if True or low <="
    ),
    Mutant("guided: what is inside not asked", "guidance/auto.py", "super().during(step)", "self"),
    Mutant("t = 0: no limit", "processes/base.py", "torch.where(t == 0, ", "torch.where(t < 0, "),
    Mutant("time: half as exact", "processes/base.py", "_HALVINGS = 100", "_HALVINGS = 20"),
    Mutant("averages: six digits of a length", "training/posthoc.py", "str(float(length))", 'f"{length:g}"'),
    Mutant(
        "a run's grid: fitted without its guide", "runs/averages.py", "self.guided(ema, guide) if", "self.model(ema) if"
    ),
    Mutant(
        "a run's grid: fitted for the noise", "config/sampling.py", "of=self.sampler.build().extrapolates", 'of="noise"'
    ),
    Mutant(
        "DPM-Solver++(2M): a grid for the noise",
        "samplers/posterior.py",
        'ClassVar[Held] = "data"',
        'ClassVar[Held] = "noise"',
    ),
    Mutant("budget: guidance for nothing", "samplers/budget.py", "key=spent", "key=lambda steps: steps + 1 + beside"),
    Mutant(
        "budget: the closing denoising for nothing",
        "samplers/budget.py",
        "+ model.during(steps[-1].arrived)",
        "+ 0 * model",
    ),
    Mutant("budget: a grid for the noise", "samplers/budget.py", "of=sampler.extrapolates", 'of="noise"'),
    Mutant(
        "budget: the closing denoising is no part of the way",
        "samplers/budget.py",
        "Fitted(steps + 1, way)",
        "Fitted(steps, way)",
    ),
    Mutant("few numbers: one more than there are", "metrics/estimate.py", "stdtrit(n - 1,", "stdtrit(n,"),
    Mutant("neighbours: ties left to rounding", "metrics/neighbourhoods.py", "_ROUNDING = 2e-14", "_ROUNDING = 0.0"),
    Mutant("half precision: squares overflow", "densities/gaussian.py", "promoted(x, self.event)", "x"),
    Mutant("guided by a weak model: counted everywhere", "sampling.py", "* active.evaluations", "* model.evaluations"),
    Mutant("guided by a weak model: w for 1 + w", "guidance/auto.py", "certain(denoised + self", "certain(self"),
    Mutant("guide: a step late", "training/loop.py", "state.step == settings.guide_step", "k == settings.guide_step"),
    Mutant("guide: forgotten by a restart", "training/state.py", 'dict(tensors["guide"]) if', "None if"),
    Mutant("energy distance: sign", "metrics/two_sample.py", "-torch.cdist(u, v)", "torch.cdist(u, v)"),
    Mutant("Stein kernel: trace of the wrong sign", "metrics/scores.py", "- along_r + d)", "- along_r - d)"),
    Mutant("kernel distance: 1 forgotten", "metrics/features.py", "/ u.shape[1] + 1) ** 3", "/ u.shape[1]) ** 3"),
    Mutant(
        "neighbours: a row its own",
        "metrics/neighbourhoods.py",
        "torch.cat(nearest)[:, k]",
        "torch.cat(nearest)[:, k - 1]",
    ),
    Mutant(
        "recall: balls of the data",
        "metrics/neighbourhoods.py",
        "_held(x, y, _radii(y, k))",
        "_held(x, y, _radii(x, k)[: len(y)])",
    ),
    Mutant("density: k forgotten", "metrics/neighbourhoods.py", "pairs / (k * len(y))", "pairs / len(y)"),
    Mutant("halves: quarters", "metrics/resampling.py", "[: len(x) // 2]", "[: len(x) // 4]"),
    Mutant(
        "memory: samples taken for independent", "metrics/memory.py", "int(torch.bincount(chosen).square().sum())", "n"
    ),
    Mutant("memory: as many training as test examples", "metrics/memory.py", "len(train) / total", "0.5"),
    Mutant("memory: farther for closer", "metrics/memory.py", 'alternative="less"', 'alternative="greater"'),
    Mutant("class shares: an impossible class overlooked", "metrics/modes.py", "counts[~possible].any()", "False"),
    Mutant(
        "a share's interval: two errors each way",
        "metrics/estimate.py",
        "** 0.5, (float(found.low), float(found.high)))",
        "** 0.5)",
    ),
    Mutant(
        "results: other weights forgotten", "../scorefield_claims/basis.py", "_weights(model) for model", '"" for model'
    ),
    Mutant("results: other code forgotten", "../scorefield_claims/closure.py", "waiting += self._uses(name)", "pass"),
    Mutant("results: words taken for code", "../scorefield_claims/closure.py", "return None if alone else", "return"),
    Mutant(
        "results: what a front passes on forgotten",
        "../scorefield_claims/closure.py",
        "imports=[*late, *(",
        "imports=[*(",
    ),
    Mutant(
        "results: kept without their figure",
        "../scorefield_claims/results.py",
        "if whole else None",
        "if result else None",
    ),
    Mutant(
        "results: a changed source called clean",
        "../scorefield_claims/results.py",
        'or bool(result["environment"].get("dirty"))',
        "",
    ),
    Mutant("results: whatever they rest on", "../scorefield_claims/store.py", "stands(known, rests.key)", "known"),
    Mutant(
        "results: confirmed for any basis",
        "../scorefield_claims/results.py",
        'in (result["key"], result.get("confirmed", {}).get("key"))',
        'in (result["key"], key if "confirmed" in result else None)',
    ),
    Mutant(
        "results: they make the source dirty",
        "../scorefield_claims/store.py",
        '"--porcelain", "--", *_FOLDERS',
        '"--porcelain"',
    ),
    Mutant(
        "results: the recipe forgotten",
        "../scorefield_claims/basis.py",
        'digest(stated["measure"], stated[budget])',
        'digest(stated["measure"])',
    ),
    Mutant(
        "results: a patch of PyTorch counts",
        "../scorefield_claims/basis.py",
        'version("torch").split(".")[:2]',
        'version("torch").split(".")[:3]',
    ),
    Mutant("results: the other budget counts", "../scorefield_claims/basis.py", 'apart={"CLAIM"}', "apart=set()"),
    Mutant(
        "results: a package brings all it passes on",
        "../scorefield_claims/closure.py",
        "return self._home(*passed_on, *rest)",
        "return module",
    ),
    Mutant(
        "results: relative imports are overlooked",
        "../scorefield_claims/closure.py",
        "if node.level else []",
        "if False else []",
    ),
    Mutant("results: annotations count", "../scorefield_claims/closure.py", "node.annotation = None", "pass"),
    Mutant(
        "results: imports for type checkers count",
        "../scorefield_claims/closure.py",
        "return list(node.orelse)",
        "return node",
    ),
    Mutant(
        "log p: Gaussian probes", "likelihood/flow.py", "1 - 2 * (noise.normal() < 0).to(x)", "noise.normal().to(x)"
    ),
    Mutant(
        "SSM: Gaussian for Rademacher projections",
        "objectives/score_matching.py",
        "torch.where(z >= 0, 1.0, -1.0).to(z)",
        "z",
    ),
    Mutant("workers: left alive by Ctrl-C", "cli/workers.py", "process.terminate()", "pass"),
    Mutant("workers: outlive a killed command", "cli/workers.py", "    os._exit(1)\n", ""),
    Mutant("workers: one that died is an error", "cli/workers.py", "except BrokenProcessPool", "except KeyError"),
    Mutant("config: a key given twice", "config/load.py", "key.value in keys:", "False:"),
    Mutant("config: nested without end", "config/load.py", "self._depth > _DEPTH", "self._depth > 100 * _DEPTH"),
    Mutant(
        "config: settings of the former kind stay",
        "config/load.py",
        "if isinstance(old, dict) and _kind(value, _kind(old)) == _kind(old):",
        "if isinstance(old, dict):",
    ),
    Mutant(
        "config: tested on what was learnt",
        "config/data.py",
        'derive_seed("examples", train)',
        'derive_seed("examples")',
    ),
    Mutant(
        "config: initial weights whatever the seed",
        "config/run.py",
        'derive_seed(self.seed, "init")',
        'derive_seed("init")',
    ),
    Mutant("config: a process that ends within the data", "config/run.py", "reach < spread", "reach < 0.1 * spread"),
    Mutant("measured: mirrored images forgotten", "config/measure.py", "if dataset.flips:", "if False:"),
    Mutant("measured: parts about their own means", "config/measure.py", " + seen * share * gap**2", ""),
    Mutant(
        "a start: of a former run measured anew", "runs/run.py", 'before is None or "moments" in before.tensors', "True"
    ),
    Mutant("a start: the mean of every pixel forgotten", "runs/run.py", 'tensors["moments"] = self._moments', "pass"),
    Mutant("a start: saved as one number", "pretrained.py", "and model.moments.mean.ndim", "and False"),
    Mutant(
        "files: from wherever sampling starts",
        "likelihood/compression.py",
        "digest.update(moment.cpu().numpy().tobytes())",
        "pass",
    ),
    Mutant(
        "files: from before the mean of every pixel",
        "likelihood/compression.py",
        "before.moments = model.overall",
        "pass",
    ),
    Mutant("measured: the mean forgotten", "config/measure.py", '{"mean_data": mean,', '{"mean_data": 0.0,'),
    Mutant("config: a chain at the noisiest level", "config/sampling.py", "t=process.t_min", "t=process.t_max"),
    Mutant("IDX: bytes after the body", "data/idx.py", "if stream.read(1):", "if False:"),
    Mutant(
        "pictures: 16 bits cut off", "data/folder.py", "(255 * values + white // 2) // white", "255 * values // white"
    ),
    Mutant("pictures: transparency on black", "data/folder.py", 'image.size, "white")', 'image.size, "black")'),
    Mutant("arrays: booleans are 0 and 1", "data/arrays.py", ".mul_(255)", ""),
    Mutant(
        "batches: one dequantisation for all",
        "data/batches.py",
        "k * self.batch_size + self.rows.start, self",
        "self.rows.start, self",
    ),
    Mutant(
        "batches: every epoch in one order",
        "data/batches.py",
        'derive_seed(self.seed, "epoch", epoch)',
        'derive_seed(self.seed, "epoch")',
    ),
    Mutant(
        "download: as many bytes as a server likes",
        "data/download.py",
        "if self._left < 0:",
        "if self._left < -(10**12):",
    ),
    Mutant(
        "a class's share: its first examples",
        "data/dataset.py",
        "positions[shuffle[round(",
        "positions[shuffle.sort().values[round(",
    ),
    Mutant(
        "units: a constant's scale is one", "units.py", "mean.abs().clamp_min(1.0), std", "torch.ones_like(std), std"
    ),
    Mutant(
        "warm-up: a step late",
        "training/optimization.py",
        "(step + 1) / max(1, self.warmup)",
        "step / max(1, self.warmup)",
    ),
    Mutant(
        "decay: begins with the warm-up",
        "training/optimization.py",
        "max(0, step - self.warmup) / max(1, self.steps - self.warmup)",
        "step / self.steps",
    ),
    Mutant(
        "clipping: of the sum over coordinates",
        "training/loop.py",
        "backward(part_loss / coordinates)",
        "backward(part_loss)",
    ),
    Mutant(
        "dropout: the same in every step",
        "training/loop.py",
        'derive_seed(seed, "network", step, row)',
        'derive_seed(seed, "network")',
    ),
    Mutant(
        "export: the optimiser goes along",
        "training/export.py",
        "for group in _GROUPS if group in source.tensors",
        "for group in source.tensors",
    ),
    Mutant(
        "NCSN out: the last weights",
        "interop/layouts.py",
        "[prefixed(ema), optimizer]",
        "[prefixed(model), optimizer]",
    ),
    Mutant(
        "score_sde in: the last weights for the averages",
        "interop/score_sde_file.py",
        "ema = ours(averages(self.path, self.parts.ema, trained))",
        "ema = ours(trained)",
    ),
    Mutant(
        "score_sde out: moments under our shapes",
        "interop/score_sde_file.py",
        "rename({name: entry",
        "dict({name: entry",
    ),
    Mutant(
        "NCSNv2 in: the epoch for the step", "interop/layouts.py", "int(), int(step), ema]:", "int(step), int(), ema]:"
    ),
    Mutant(
        "foreign weights: some may be infinite",
        "interop/layouts.py",
        "if not torch.isfinite(torch_file.stored_whole(path, name, tensor)).all():",
        "if torch.isnan(tensor).any():",
    ),
    Mutant(
        "foreign moments: of any shape",
        "interop/layouts.py",
        "first.shape == second.shape == shape",
        "first.shape == second.shape",
    ),
    Mutant(
        "levels: between two of them",
        "networks/residual.py",
        "torch.round(noise * ((timesteps - 1) / 999))",
        "noise * ((timesteps - 1) / 999)",
    ),
    Mutant("filters: from right to left", "networks/resampling.py", "taps[::-1]", "taps"),
    Mutant(
        "EDM: attention however narrow",
        "interop/edm.py",
        "bottleneck=widths[-1] >= _HEAD",
        "bottleneck=True",
    ),
    Mutant(
        "score_sde: two taps are DDPM's",
        "interop/score_sde.py",
        "return (0, *whole, 0) if len(whole) == 2 else whole",
        "return whole",
    ),
    Mutant("sbi: σ for α", "interop/adapters.py", "return estimator.mean_t_fn(rows)", "return estimator.std_fn(rows)"),
    Mutant("sbi: time reversed", "interop/adapters.py", "t.double(), velocity)", "t.double(), -velocity)"),
    Mutant("sbi: any observation", "interop/adapters.py", "observed.to(theta), t", "0 * observed.to(theta), t"),
    Mutant("sbi: an observation that does not fit", "interop/adapters.py", "if x.numel() != ", "if x.numel() > "),
    Mutant(
        "CIFAR: channels last",
        "data/cifar.py",
        "reshape(-1, *_EVENT)",
        "reshape(-1, 32, 32, 3).permute(0, 3, 1, 2)",
    ),
    Mutant("CIFAR: a file too few", "data/cifar.py", "range(1, 6)", "range(1, 5)"),
    Mutant("CIFAR: eleven classes", "data/cifar.py", "records[:, 0].max() > 9", "records[:, 0].max() > 10"),
    Mutant("CIFAR: the end of a file lost", "data/cifar.py", "len(content) % _RECORD:", "len(content) < _RECORD:"),
    Mutant("flips: upside down", "data/batches.py", "x.flip(-1)", "x.flip(-2)"),
    Mutant("flips: of all", "data/batches.py", "x.flip(-1), x)", "x.flip(-1), x.flip(-1))"),
    Mutant(
        "flips: the same in every batch",
        "data/batches.py",
        'derive_seed(self.seed, "flips"), k * self.batch_size',
        'derive_seed(self.seed, "flips"), 0 * self.batch_size',
    ),
    Mutant("grid: grey levels cut off", "plotting/images.py", "(sheet * 255).round().to", "(sheet * 255).to"),
    Mutant(
        "film: every frame stretched", "plotting/images.py", "low, high = min(low, black), max(high, white)", "pass"
    ),
    Mutant("terrain: mass below, not above", "plotting/plane.py", "1 - mass).item()", "mass).item()"),
    Mutant("loss curve: the mean drawn too early", "plotting/curves.py", "steps[window - 1 :]", "steps[: len(mean)]"),
    Mutant("bars: intervals symmetric", "plotting/bars.py", "np.array(found.high) - share", "share - found.low"),
    Mutant(
        "score panels: error relative to what may vanish",
        "plotting/fields.py",
        "true.square().sum(dim=1) + typical",
        "true.square().sum(dim=1)",
    ),
    Mutant("hub: all of a repository", "hub.py", "allow_patterns=_FILES", "allow_patterns=None"),
    Mutant("hub: the revision forgotten", "hub.py", "revision=revision, allow", "revision=None, allow"),
    Mutant("card: seconds called minutes", "hub.py", "{seconds / 60:.1f} minutes", "{seconds:.1f} minutes"),
    Mutant(
        "loaded: a guide of weight 0 is asked",
        "loaded.py",
        "weak is None or guiding.weight == 0",
        "weak is None",
    ),
    Mutant(
        "loaded: adaptive solvers in bfloat16",
        "_endings.py",
        'precision == "auto" and isinstance(sampler, AdaptiveODE | AdaptiveSDE)',
        "False",
    ),
    Mutant("loaded: the weaker version of no class", "loaded.py", "weak.condition(rows)", "weak"),
    Mutant("real data: the reference itself", "evaluation/data.py", "(train, order[half:])", "(train, order[:half])"),
    Mutant("shares: intervals beyond one", "evaluation/measures.py", "high = min(high, 1.0)", "pass"),
    Mutant(
        "as asked: in blocks",
        "evaluation/measures.py",
        "torch.arange(len(guessed)) % len(classes)]",
        "torch.arange(len(guessed)) * len(classes) // len(guessed)]",
    ),
    Mutant(
        "likelihood: errors of traces not averaged",
        "evaluation/likelihood.py",
        ".square().mean().sqrt().item() / len(errors) ** 0.5",
        ".square().mean().sqrt().item()",
    ),
    Mutant(
        "calibration: on what was learnt",
        "evaluation/data.py",
        "data = config.load(train=False)",
        "data = config.load()",
    ),
    Mutant("U-Net: no norm before its head", "networks/unet.py", "F.silu(channel_norm(h))", "F.silu(h)"),
    Mutant("block: scale without its 1", "networks/blocks.py", "(1 + scale)", "scale"),
    Mutant(
        "conditioning: no label is the first class",
        "networks/blocks.py",
        "nothing = self.label.num_embeddings - 1",
        "nothing = 0",
    ),
    Mutant(
        "MLP: weights that lose variance",
        "networks/mlp.py",
        'nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")',
        "pass",
    ),
    Mutant("run: a line of a killed run kept", "runs/folder.py", '["step"] > step:', '["step"] > step + 1:'),
    Mutant("lock: inherited by children", "runs/lock.py", "os.register_at_fork(after_in_child=_let_go)", "pass"),
    Mutant(
        "advice: a level too few",
        "advice.py",
        "/ math.log(level_ratio(dimension))) + 1",
        "/ math.log(level_ratio(dimension)))",
    ),
    Mutant("advice: snr by √2", "advice.py", "math.sqrt(epsilon / 2) / sigma_L", "math.sqrt(epsilon) / sigma_L"),
    Mutant("solve: without its noise", "evaluation/restorations.py", "return y + noise *", "return y + 0 *"),
    Mutant("mask: grey is not light", "cli/images.py", ">= _LIGHT", "> _LIGHT"),
    Mutant("image: colours dropped without a word", "cli/images.py", "not (x == x[:1]).all()", "False"),
    Mutant(
        "classes: in blocks",
        "cli/drawing.py",
        "classes[torch.arange(count(args)[0]) % len(classes)]",
        "classes[torch.arange(count(args)[0]) * len(classes) // count(args)[0]]",
    ),
    Mutant(
        "report: a guide that does not guide",
        "cli/drawing.py",
        "loaded.weak is not None and args.weight == 0",
        "loaded.weak is not None",
    ),
    Mutant(
        "suggest: half the step", "config/suggested.py", "2 * a.step_size / a.sigma_L**2", "a.step_size / a.sigma_L**2"
    ),
    Mutant("mmd: half its error", "metrics/two_sample.py", "error = 2 * (ours.var()", "error = (ours.var()"),
    Mutant(
        "c2st: tested on what it learned",
        "metrics/two_sample.py",
        "a[half : 2 * half], b[half : 2 * half]",
        "a[:half], b[:half]",
    ),
    Mutant("bytes: the nearest", "data/dataset.py", "(256 * x).floor()", "(256 * x).round()"),
    Mutant(
        "time: any is one", "processes/base.py", "time - self.t_max <= 0.01 * (self.t_max - low)", "time <= torch.inf"
    ),
    Mutant(
        "a reader who left is a failure",
        "cli/main.py",
        "so do we, quietly\n        return 0",
        "so do we, quietly\n        return 1",
    ),
    Mutant("a resumed run: any data", "training/loop.py", "if k == began:", "if k == 0:"),
    Mutant(
        "parts: those of other samples",
        "training/parts.py",
        "for tensor in tensors:\n        found.update(",
        "for tensor in ():\n        found.update(",
    ),
    Mutant(
        "parts: every process draws all", "training/parts.py", "left[self.parallel.rank :: self.parallel.world]", "left"
    ),
    Mutant(
        "loader: rows counted from its last batch",
        "data/examples.py",
        "self._given += self.batch_size",
        "self._given = self.batch_size",
    ),
    Mutant(
        "queue: a place too many",
        "app/jobs.py",
        "return self._line.index(job) if",
        "return self._line.index(job) + 1 if",
    ),
    Mutant("first edition: times for transitions", "config/migrate.py", "value - 1 if times", "value if times"),
    Mutant(
        "first edition: noise of another generator",
        "config/migrate.py",
        '{"generator": "torch", **',
        '{"generator": "philox", **',
    ),
    Mutant(
        "log-normal times: beyond the process",
        "objectives/times.py",
        "return time.clamp(process.t_min, process.t_max)",
        "return time",
    ),
    Mutant("uniform times: from 0", "objectives/times.py", "return process.t_min + u *", "return u *"),
    Mutant("soundness: 1 % of 1, not of the range", "metrics/soundness.py", "margin *= high - low", "margin *= 1.0"),
    Mutant("total variation: one way", "metrics/soundness.py", "for axis in (-1, -2)", "for axis in (-1, -1)"),
    Mutant("trace: the level before", "metrics/trace.py", "sigma=step.sigma_s", "sigma=step.sigma_t"),
    Mutant("impute: a seed and a row change places", "evaluation/imputing.py", "(seed << 32) + row", "seed + row"),
    Mutant(
        "tune: chosen on the half that is reported",
        "evaluation/tuning.py",
        "key=lambda trial: trial.first.value",
        "key=lambda trial: trial.second.value",
    ),
    Mutant(
        "Brownian path: another halving",
        "_brownian.py",
        "torch.sqrt((m - a) * (b - m) / (b - a)) * hat",
        "torch.sqrt(b - a) / 2 * hat",
    ),
    Mutant("similarity: volume of one axis", "densities/combined.py", "self._shift.numel() * math.log", "math.log"),
    Mutant("table: commas before semicolons", "data/tables.py", 'in "\\t;," if', 'in "\\t,;" if'),
    Mutant("table: six digits", "data/tables.py", "{value:.9g}", "{value:.6g}"),
    Mutant(
        "fitted grid: spread of one path",
        "grids/local_errors.py",
        "(y - y.mean(dim=0)).square()",
        "(y - y.mean()).square()",
    ),
    Mutant("grids: begin anywhere", "grids/cuts.py", "if times[0] > process.t_max + beyond:", "if False:"),
    Mutant("an error that cannot be told is", "metrics/estimate.py", "< max(_LAST *", "< 0 * max(_LAST *"),
    Mutant("pictures beside class folders: silence", "data/folder.py", "if beside and len(names) > 1:", "if False:"),
    Mutant("app: any host is this machine", "app/guard.py", "if self._local and _name(", "if False and _name("),
    Mutant(
        "app: other sites of the same owner are the app's own",
        "app/guard.py",
        'site not in ("same-origin", "none")',
        'site not in ("same-origin", "same-site", "none")',
    ),
    Mutant(
        "app: of old browsers, any origin",
        "app/guard.py",
        "return origin is not None and origin",
        "return False and origin",
    ),
    Mutant("app: a body larger than it said is read", "app/guard.py", "if size > LIMIT:", "if False:"),
    Mutant("queue: who left keeps the place", "app/jobs.py", "if job in self._line[1:]:", "if False:"),
    Mutant("queue: endless patience", "app/jobs.py", "if time.monotonic() > self._end:", "if False:"),
    Mutant(
        "app: pictures of training for those of testing",
        "app/shelf.py",
        "data = config.load(train=False)",
        "data = config.load(train=True)",
    ),
    Mutant("app: two models of one name", "app/shelf.py", "if len(self.names) < len(names):", "if False:"),
    Mutant("app: a mask is what is not black", "app/pictures.py", "_LIGHT = 128", "_LIGHT = 1"),
    Mutant(
        "app: a noise level in the data's units",
        "app/answers.py",
        "model.standardise(valued(image[None], ends))",
        "valued(image[None], ends)",
    ),
    Mutant(
        "app: one class for all", "app/answers.py", "torch.arange(ask.n) % (classes or 1)", "torch.arange(ask.n) * 0"
    ),
    Mutant(
        "app: of colours red alone",
        "app/pictures.py",
        "return packed(Image.fromarray(rows[:, :, 0] if len(x) == 1 else rows))",
        "return packed(Image.fromarray(rows[:, :, 0]))",
    ),
    Mutant(
        "torch files: may unpack to more than they hold",
        "interop/torch_file.py",
        "if whole > (held",
        "if False and (held",
    ),
    Mutant(
        "EDM's pickles: functions take attributes",
        "interop/edm_file.py",
        "if isinstance(self.stack[-2], FunctionType):",
        "if False:",
    ),
    Mutant("EDM's pickles: the other byte order", "interop/edm_file.py", 'f"<{kind.name}"', 'f">{kind.name}"'),
    Mutant(
        "NCSNv2: the deepest taken for the deeper",
        "interop/recognition.py",
        '6 if "res31.0.conv1.weight" in model else 5',
        "5",
    ),
    Mutant("diffusers: β of pixels for latents", "interop/diffusers.py", "(0.00085, 0.012) if", "(1e-4, 0.02) if"),
    Mutant(
        "diffusers: v of the other sign",
        "interop/diffusers.py",
        'return 1 if prediction == "epsilon" else -1',
        "return 1",
    ),
    Mutant(
        "diffusers: a flow told t (levels − 1)",
        "interop/diffusers.py",
        '"timesteps": levels + 1}',
        '"timesteps": levels}',
    ),
    Mutant(
        "diffusers: β that end in noise, unscaled", "interop/diffusers.py", "* (alpha[0] / (alpha[0] - alpha[-1]))", ""
    ),
    Mutant("diffusers: shards from anywhere", "interop/diffusers_files.py", "Path(name).name != name or", ""),
    Mutant(
        "latents: shifted before they are scaled",
        "interop/diffusers_latent.py",
        "z / self.scaling + self.shift",
        "(z + self.shift) / self.scaling",
    ),
    Mutant(
        "diffusers out: ε whatever is predicted",
        "interop/diffusers_out.py",
        '_PREDICTION[settings["model"]["kind"]],',
        '"epsilon",',
    ),
    Mutant(
        "score_sde out: averages of the last weights",
        "interop/score_sde_file.py",
        "theirs(weights.ema).items()",
        "theirs(weights.model).items()",
    ),
    Mutant("hub: a card breaks at a bar", "hub.py", 'text.replace("|", "\\\\|")', "text"),
    Mutant("hub: names that climb", "hub.py", 'if found is None or ".." in name:', "if found is None:"),
    Mutant("hub: folders of anything", "hub.py", "and not is_pipeline(folder):", "and False:"),
    Mutant(
        "loaded: bytes of rows by the noise of the first",
        "loaded.py",
        "names if rows is None else [names[k] for k in rows]",
        "names if rows is None else names[: len(rows)]",
    ),
    Mutant(
        "loaded: the weaker version whole",
        "loaded.py",
        '{"model": loaded.model, "weak": loaded.weak}',
        '{"model": loaded.model}',
    ),
    Mutant(
        "loaded: evaluated on one class after another",
        "loaded.py",
        "torch.tensor(classes)[torch.arange(n) % len(classes)]",
        "torch.tensor(classes)[torch.arange(n) * len(classes) // n]",
    ),
    Mutant(
        "restorations: the truth agrees with itself",
        "evaluation/restorations.py",
        "(read[1:] == read[0])",
        "(read == read[0])",
    ),
    Mutant(
        "restorations: diversity of a whole image",
        "evaluation/restorations.py",
        "(torch.pdist(seen) / seen.shape[1] ** 0.5)",
        "torch.pdist(seen)",
    ),
    Mutant(
        "tables: distances in the columns' units",
        "evaluation/data.py",
        "return x / torch.where(spread > 0, spread, 1.0).to(x)",
        "return x",
    ),
    Mutant(
        "samples: measured between bytes",
        "evaluation/data.py",
        "return quantize(x).float() / 255 if self.in_bytes else x",
        "return x",
    ),
    Mutant(
        "classifiers: the least known first",
        "evaluation/measures.py",
        "argsort(descending=True, stable=True)",
        "argsort(stable=True)",
    ),
    Mutant(
        "likelihood of one: an error of one draw",
        "evaluation/likelihood.py",
        "draws.std().item() / DRAWS**0.5",
        "draws.std().item()",
    ),
    Mutant(
        "bits of a file: of the first part for all",
        "evaluation/likelihood.py",
        "return _done(bits_per_dim(model, parts[k]",
        "return _done(bits_per_dim(model, parts[0]",
    ),
    Mutant("impute: noise in the data's units", "evaluation/imputing.py", "_NOISE * spread, spread", "_NOISE, spread"),
]


def guards(file: str) -> list[str]:
    """Return the tests that guard a file, by its own name or its folder's."""
    return [f"tests/laws/{test}" for test in GUARDS[file if file in GUARDS else file.split("/")[0]]]


def verdict(mutant: Mutant) -> str:
    """Return "killed", "SURVIVED", or why neither can be said."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "src"
        shutil.copytree(ROOT / "src", copy)
        path = copy / "scorefield" / mutant.file
        text = path.read_text()
        if text.count(mutant.right) != 1:
            return f"INVALID: its text occurs {text.count(mutant.right)} times"
        path.write_text(text.replace(mutant.right, mutant.wrong))
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-m", "not slow"]
        environment = {**os.environ, "PYTHONPATH": str(copy), "OMP_NUM_THREADS": "1"}
        tests = [str((ROOT / test).resolve()) for test in guards(mutant.file)]
        done = subprocess.run(
            [*command, *tests], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
    if done.returncode == FAILED:
        return "killed"
    return "SURVIVED" if done.returncode == 0 else f"INVALID: pytest exit {done.returncode}: {done.stdout[-300:]}"


def main() -> int:
    """Print the table; return 1 unless every mutant was killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("only", nargs="*", help="parts of names; all mutants when absent")
    only = parser.parse_args().only
    chosen = [m for m in MUTANTS if not only or any(part in m.name for part in only)]
    width = max(len(m.name) for m in chosen)
    killed = 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for mutant, result in zip(chosen, pool.map(verdict, chosen), strict=True):
            killed += result == "killed"
            print(f"{mutant.name:{width}}  {mutant.file:32}  {result}", flush=True)
    print(f"{killed} of {len(chosen)} mutants killed")
    return 0 if killed == len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main())
