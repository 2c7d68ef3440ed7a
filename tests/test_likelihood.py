"""Likelihoods of exact models equal the analytic log densities: with solver error and prior mismatch told apart."""

import functools
import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
import torch
from scipy import stats

from scorefield import (
    VE,
    VP,
    ByteDecoder,
    Denoiser,
    Empirical,
    Exact,
    FromScore,
    Gaussian,
    GaussianMixture,
    Heun,
    Karras,
    LogLikelihood,
    Process,
    ScoreModel,
    SubVP,
    Units,
    bits_per_dim,
    decode,
    encode,
    interpolate,
    log_likelihood,
    sample,
    variational_bound,
)
from scorefield.likelihood import byte_network
from scorefield.likelihood.neighbours import _PLACES, SLANT
from turns import in_turn, one_in

MIXTURE = GaussianMixture([[-1.0, 0.5], [1.5, 0.0]], [0.3, 0.5], [0.4, 0.6])
PROCESSES = {"VE": VE(0.01, 50.0), "VP": VP(), "SubVP": SubVP()}


def ends(process) -> list[torch.Tensor]:
    return [torch.tensor(t, dtype=torch.float64) for t in (process.t_min, process.t_max)]


@pytest.mark.promise("D10")
@pytest.mark.parametrize("name", one_in(2, PROCESSES))
def test_likelihood_equals_the_analytic_density(name: str):
    """To 1e-6 nats with the true terminal law; to the mismatch of the prior with N(0, prior_std²)."""
    process = PROCESSES[name]
    model, (low, high) = Exact(MIXTURE, process), ends(process)
    x = model.marginal(low).sample(40, torch.Generator().manual_seed(0)).double()
    truth = model.marginal(low).log_prob(x)
    found = log_likelihood(model, x, rtol=1e-9, atol=1e-9, terminal=model.marginal(high))
    torch.testing.assert_close(found.log_prob, truth, rtol=0, atol=1e-6)
    assert (found.standard_error == 0).all()
    with_prior = log_likelihood(model, x, rtol=1e-7, atol=1e-7)
    mismatch = (with_prior.log_prob - truth).abs().max().item()
    assert 1e-6 < mismatch < 0.05
    assert mismatch / math.log(2) / 2 < 0.05


def test_likelihood_to_a_thousandth_of_a_bit_at_the_default_tolerance():
    model = Exact(MIXTURE, VE(0.01, 50.0))
    low, high = ends(model.process)
    x = model.marginal(low).sample(40, torch.Generator().manual_seed(1)).double()
    found = log_likelihood(model, x, terminal=model.marginal(high))
    assert (found.log_prob - model.marginal(low).log_prob(x)).abs().max().item() / math.log(2) / 2 < 1e-3


def test_the_trace_estimate_is_unbiased_and_its_error_honest():
    """Hutchinson against the exact trace: a z-test at level 1e-4 over 60 examples, and one that halves the estimate fails it."""
    covariance = torch.tensor([[1.0, 0.7, 0.0], [0.7, 1.0, 0.3], [0.0, 0.3, 0.5]], dtype=torch.float64)
    model = Exact(Gaussian([0.0, 1.0, -1.0], covariance), VP())
    x = model.marginal(ends(model.process)[0]).sample(60, torch.Generator().manual_seed(0)).double()
    exact = log_likelihood(model, x, rtol=1e-5, atol=1e-5)
    estimate = log_likelihood(model, x, probes=16, rtol=1e-5, atol=1e-5, seed=1)
    gap, error = estimate.log_prob - exact.log_prob, estimate.standard_error
    assert (error > 0).all()
    z = gap.mean() / (error.square().sum().sqrt() / len(x))
    assert abs(z.item()) < 3.9
    trace = exact.log_prob - _rest(model, exact)
    mutant = (gap - 0.5 * trace).mean() / (error.square().sum().sqrt() / len(x))
    assert abs(mutant.item()) > 3.9


def _rest(model: ScoreModel, found: LogLikelihood) -> torch.Tensor:
    """Return the part of the log-likelihood that is not the trace: the prior at the latent, and the volume of 1/α."""
    low, high = ends(model.process)
    (alpha_low, _), (alpha_high, _) = model.process.alpha_sigma(low), model.process.alpha_sigma(high)
    mean, std = model.prior(high).mean, model.prior(high).std
    latent, size = found.latent, found.latent.shape[1]
    prior = torch.distributions.Normal(mean.expand(size), std.expand(size)).log_prob(latent).sum(1)
    return prior + size * torch.log(alpha_high / alpha_low)


NARROW = VE(0.1, 10.0)


def gaps(model: Exact, n: int, probes: int) -> LogLikelihood:
    """Return an estimate whose log-likelihoods are less than the true ones by nothing but the error of their trace, to 1e-4."""
    low, high = (model.marginal(end) for end in ends(model.process))
    x = low.sample(n, torch.Generator().manual_seed(0)).double()
    found = log_likelihood(model, x, probes=probes, rtol=1e-6, atol=1e-6, terminal=high)
    return replace(found, log_prob=found.log_prob - low.log_prob(x))


def test_rademacher_probes_know_the_trace_of_a_diagonal_jacobian():
    """E vvᵀ = I is not all: v_i² = 1 leaves a diagonal without any error, where Gaussian v would err by √(2 Σ M_ii²)."""
    found = gaps(Exact(Gaussian([0.0, 1.0, -1.0], torch.tensor([0.2, 1.0, 3.0])), NARROW), 10, probes=2)
    assert found.log_prob.abs().max().item() < 1e-4
    assert found.standard_error.max().item() < 1e-4


def test_rademacher_probes_err_by_twice_what_is_off_the_diagonal():
    """In the plane vᵀMv is tr M ± 2 M_12, and nothing else. For Gaussian data M = ½ ln((ρ_T² + C)/(ρ_t² + C)) in eigenvectors of C."""
    covariance = torch.tensor([[1.0, 0.6], [0.6, 0.5]], dtype=torch.float64)
    values, vectors = torch.linalg.eigh(covariance)
    off = ((vectors * (0.5 * torch.log((10**2 + values) / (0.1**2 + values)))) @ vectors.T)[0, 1].item()
    gap = gaps(Exact(Gaussian([0.0, 1.0], covariance), NARROW), 40, probes=1).log_prob
    torch.testing.assert_close(gap.abs(), torch.full_like(gap, 2 * abs(off)), rtol=0, atol=1e-4)
    assert 5 < (gap > 0).sum().item() < 35


def wrong_score(process: Process) -> ScoreModel:
    """Return a score that is nobody's: the mixture's, and where the noise is small a field that swirls and gathers."""
    exact, swirl = Exact(MIXTURE, process), torch.tensor([[0.0, 0.5], [-0.5, 0.0]], dtype=torch.float64)

    def score(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        fading = (1 + process.ratio(t) ** 2) ** -2
        return exact.score(x, t) + fading.reshape(-1, 1) * (0.5 * torch.sin(x) + x @ swirl.T)

    return FromScore(score, process)


@pytest.mark.promise("D10")
@pytest.mark.parametrize("model", [Exact(MIXTURE, VP()), wrong_score(VP()), wrong_score(VE(0.01, 50.0))])
def test_the_density_of_the_flow_integrates_to_one(model: ScoreModel):
    """D10: on a grid of the plane, to 1e-3, whatever the score: the flow carries mass and makes none. Without the trace it does."""
    axis = torch.arange(-6, 6.1, 0.4, dtype=torch.float64)
    found = log_likelihood(model, torch.cartesian_prod(axis, axis), rtol=1e-4, atol=1e-4)
    assert found.log_prob.exp().sum().item() * 0.4**2 == pytest.approx(1, abs=1e-3)
    assert _rest(model, found).exp().sum().item() * 0.4**2 != pytest.approx(1, abs=0.1)


def test_probes_do_not_depend_on_the_batch():
    model = Exact(MIXTURE, VP())
    x = MIXTURE.sample(5, torch.Generator().manual_seed(0)).double()
    together = log_likelihood(model, x, probes=2, seed=3).log_prob
    alone = log_likelihood(model, x[:1], probes=2, seed=3).log_prob
    torch.testing.assert_close(alone[0], together[0], rtol=0, atol=1e-9)


@pytest.mark.promise("D11")
@pytest.mark.parametrize("name", PROCESSES)
def test_encoding_and_decoding_are_inverse(name: str):
    model = Exact(MIXTURE, PROCESSES[name])
    x = MIXTURE.sample(30, torch.Generator().manual_seed(0)).double()
    latent = encode(model, x, rtol=1e-7, atol=1e-7)
    torch.testing.assert_close(decode(model, latent, rtol=1e-7, atol=1e-7), x, rtol=0, atol=1e-5)


def test_latents_interpolate_on_the_sphere():
    a, b = (torch.randn(4, 1, 3, 3, generator=torch.Generator().manual_seed(k)) for k in (0, 1))
    path = interpolate(a, b, 5)
    assert path.shape == (5, 4, 1, 3, 3)
    torch.testing.assert_close(path[0], a)
    torch.testing.assert_close(path[-1], b)
    unit = interpolate(
        a / a.flatten(1).norm(dim=1)[:, None, None, None], b / b.flatten(1).norm(dim=1)[:, None, None, None], 7
    )
    torch.testing.assert_close(unit.flatten(2).norm(dim=2), torch.ones(7, 4))


def test_the_density_of_a_noised_law_is_that_of_its_time():
    model = Exact(MIXTURE, VP())
    middle, high = torch.tensor(0.3, dtype=torch.float64), ends(model.process)[1]
    x = model.marginal(middle).sample(40, torch.Generator().manual_seed(2)).double()
    found = log_likelihood(model, x, t=0.3, rtol=1e-9, atol=1e-9, terminal=model.marginal(high))
    torch.testing.assert_close(found.log_prob, model.marginal(middle).log_prob(x), rtol=0, atol=1e-6)


def pictures(count: int) -> torch.Tensor:
    """Return different images of 2x2 bytes, each as likely as the others."""
    return torch.randint(0, 256, (count, 1, 2, 2), generator=torch.Generator().manual_seed(7)).to(torch.uint8)


@pytest.mark.parametrize("process", [pytest.param(VE(0.001, 10.0), marks=pytest.mark.slow), VP()])
def test_a_decoder_that_can_tell_all_images_apart_gives_their_entropy(process: VE | VP):
    """Sixteen images, far apart at this noise: log₂ 16 bits each, to the prior's mismatch and the table's pseudocounts."""
    images = pictures(16)
    model = Exact(Empirical((images.double() + 0.5) / 256), process)
    decoder = ByteDecoder(model, images.repeat(200, 1, 1, 1), ratio=0.02)
    bits, error = bits_per_dim(model, images, decoder=decoder, probes=64)
    of_mean = error.square().sum().sqrt().item() / len(images)
    assert of_mean < 0.02
    assert abs(bits.mean().item() - math.log2(16) / 4) < 4 * of_mean + 0.01


@pytest.mark.promise("D10")
@pytest.mark.parametrize("process", one_in(3, [SubVP(), VE(0.001, 10.0), VP()]))
def test_the_variational_bound_of_an_exact_score_is_the_information(process: VE | VP | SubVP):
    """Every one of sixteen images costs log₂ 16 bits: nothing is lost between the steps of a diffusion undone exactly. Level 6e-5."""
    images = pictures(16).repeat(2000, 1, 1, 1)
    model = Exact(Empirical((images[:16].double() + 0.5) / 256), process)
    decoder = ByteDecoder(model, images, ratio=0.02)
    bits = variational_bound(model, images, decoder, levels=4).reshape(2000, 16)
    error = bits.mean(1).std().item() / 2000**0.5
    assert error < 0.01
    slack = 0.002  # pseudocounts, and what the prior does not know
    assert abs(bits.mean().item() - math.log2(16) / 4) < 4 * error + slack
    assert (bits.mean(0) - 1).abs().max().item() < 0.15


def test_the_variational_bound_pays_for_what_the_prior_does_not_know():
    """Where the last noise is not much, KL(q(x_T) ‖ prior) more than the information. Level 6e-5, with both errors."""
    process = VE(0.001, 0.1)
    images = pictures(16).repeat(2000, 1, 1, 1)
    model = Exact(Empirical((images[:16].double() + 0.5) / 256), process)
    bits = variational_bound(model, images, ByteDecoder(model, images, ratio=0.02), levels=4).reshape(2000, 16).mean(1)
    high = ends(process)[1]
    x = model.marginal(high).sample(50_000, torch.Generator().manual_seed(0)).double()
    known = model.prior(high)
    prior = Gaussian(known.mean, known.std**2)
    excess = (model.marginal(high).log_prob(x) - prior.log_prob(x)) / math.log(2) / 4
    error = (bits.var() / len(bits) + excess.var() / len(excess)).sqrt().item()
    assert error < 0.01
    assert excess.mean().item() > 0.1
    assert abs(bits.mean().item() - 1 - excess.mean().item()) < 4 * error + 0.002  # pseudocounts


def test_the_variational_bound_of_a_wrong_score_is_more():
    """A score that knows only the mean and variance of sixteen images needs more than twice the bits they cost."""
    images = pictures(16).repeat(100, 1, 1, 1)
    y = (images[:16].double() + 0.5) / 256
    wrong = Exact(Gaussian(y.mean(0), y.var().item()), VE(0.001, 10.0))
    bits = variational_bound(wrong, images, ByteDecoder(wrong, images, ratio=0.02))
    assert bits.mean().item() > 2
    with pytest.raises(ValueError, match="levels must be a whole number of at least 1; received 0"):
        variational_bound(wrong, images, ByteDecoder(wrong, images, ratio=0.02), levels=0)


def test_a_decoder_at_more_noise_gives_a_bound():
    images = pictures(16)
    model = Exact(Empirical((images.double() + 0.5) / 256), VE(0.001, 10.0))
    decoder = ByteDecoder(model, images.repeat(200, 1, 1, 1), ratio=0.3)
    bits, _ = bits_per_dim(model, images.repeat(8, 1, 1, 1), decoder=decoder)
    assert bits.mean().item() > math.log2(16) / 4 + 0.1


@pytest.mark.promise("D10")
@pytest.mark.parametrize(("size", "steps"), in_turn(((1, 2), (2, 1)), (0, 1)))
def test_the_decoder_is_a_distribution_over_all_images(size: tuple[int, int], steps: int):
    """Of two pixels there are 65536 images, and their probabilities given one z add up to 1; with a network, too."""
    images = pictures(16)[..., :1].repeat(1, 1, 1, 2).reshape(-1, 1, 2, 2)[..., : size[0], : size[1]]
    model = Exact(Empirical((images.double() + 0.5) / 256), VE(0.001, 10.0))
    decoder = ByteDecoder(model, images.repeat(20, 1, 1, 1), ratio=0.3)
    decoder = decoder.with_network(images, steps=steps, width=8) if steps else decoder
    z, _ = decoder.noised(images[:1], seed=0)
    every = torch.cartesian_prod(torch.arange(256), torch.arange(256)).to(torch.uint8).reshape(-1, 1, *size)
    total = decoder.log_prob(every, z.expand(len(every), -1, -1, -1)).exp().sum().item()
    assert abs(total - 1) < 1e-9


def stripes(count: int, seed: int, broken: float = 0.0) -> torch.Tensor:
    """Return images of 4x4 bytes whose rows are alike, grey at random, with a share of pixels that keep to no stripe."""
    generator = torch.Generator().manual_seed(seed)
    rows, alone = (torch.randint(1, 250, (count, 1, height, 4), generator=generator) for height in (1, 4))
    return torch.where(torch.rand(alone.shape, generator=generator) < broken, alone, rows).to(torch.uint8)


def striped(broken: float = 0.0) -> ByteDecoder:
    """Return a decoder that has seen stripes, of a model that knows nothing of neighbours: of independent Gaussian pixels."""
    model = Exact(Gaussian(torch.full((1, 4, 4), 0.5), 0.3**2), VE(0.001, 10.0))
    return ByteDecoder(model, stripes(10_000, seed=0, broken=broken), ratio=0.05)


def parities(count: int, seed: int) -> torch.Tensor:
    """Return images of 4x4 bytes, dark or bright, in which an even number of every four neighbours is bright."""
    bright = torch.randint(0, 2, (2, count, 1, 4), generator=torch.Generator().manual_seed(seed))
    return (60 + 130 * (bright[0].unsqueeze(-1) ^ bright[1].unsqueeze(-2))).to(torch.uint8)


def least(images: torch.Tensor, z: torch.Tensor) -> float:
    """Return the bits per pixel of parities that nothing can say more cheaply, knowing z: by Bayes' rule over all 128, at ratio 1."""
    every = torch.cat([parities(1, seed) for seed in range(3000)]).unique(dim=0)
    assert len(every) == 2**7
    log_q = -0.5 * torch.cdist(z.flatten(1).double(), (every.flatten(1).double() + 0.5) / 256).square()
    right = (images.flatten(1)[:, None] == every.flatten(1)).all(-1)
    return -log_q.log_softmax(1)[right].mean().item() / math.log(2) / 16


def kept(images: torch.Tensor) -> float:
    """Return the share of four neighbours of which an even number is bright."""
    bright = (images > 125).long()
    return (1 - bright.diff(dim=2).diff(dim=3).abs() % 2).double().mean().item()


@functools.cache
def learned(steps: int = 250) -> ByteDecoder:
    """Return a decoder of parities, of a model that knows nothing of neighbours, with a network."""
    model = Exact(Gaussian(torch.full((1, 4, 4), 0.5), 0.3**2), VE(0.001, 10.0))
    decoder = ByteDecoder(model, parities(2000, seed=0), ratio=1.0)
    return decoder.with_network(parities(2000, seed=0), steps=steps, width=64)


def test_a_network_learns_what_counts_cannot_say():
    """Which of two bytes makes a fourth neighbour even: on other images, in bits, in what is drawn, and in what is stored."""
    decoder, images = learned(), parities(200, seed=1)
    counted = decoder.counted
    z, _ = decoder.noised(images, seed=2)
    before, after = (-each.log_prob(images, z).mean().item() / math.log(2) / 16 for each in (counted, decoder))
    assert least(images, z) < after < 0.5 < 0.65 < before
    u = torch.rand(z.shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    assert kept(decoder.draw(z, u)) > 0.9
    assert kept(counted.draw(z, u)) < 0.8
    x = torch.rand(images.shape, generator=torch.Generator().manual_seed(4))
    drawn = decoder.finish(x, stream="test", rows=range(200))
    assert kept(drawn) > 0.9
    assert torch.equal(decoder.finish(x[7:9], stream="test", rows=range(7, 9)), drawn[7:9])
    assert torch.equal(*(each.finish(x, "counts", stream="test", rows=range(200)) for each in (decoder, counted)))
    again = ByteDecoder.stored(decoder.model, decoder.tensors)
    for ours, theirs in ((again, decoder), (again.counted, counted)):
        assert torch.allclose(ours.log_prob(images, z), theirs.log_prob(images, z), rtol=1e-6, atol=0)
    former = counted.tensors | {f"network.{name}": x for name, x in decoder.network.state_dict().items()}
    with pytest.warns(UserWarning, match="of a former kind"):
        assert ByteDecoder.stored(decoder.model, former).network is None


def test_a_network_decodes_from_more_noise_than_counts():
    model = Exact(Gaussian(torch.full((1, 4, 4), 0.5), 0.3**2), VE(0.001, 10.0))
    decoder = ByteDecoder(model, parities(100, seed=0)).with_network(parities(100, seed=0), steps=1, width=8)
    for each in (decoder, ByteDecoder.stored(model, decoder.tensors)):
        assert (each.ratio, each.counted.ratio) == (0.12, 0.03)


def odd(count: int, seed: int) -> torch.Tensor:
    """Return pairs of bytes, the first even or odd at random, the second dark or bright accordingly."""
    first = torch.randint(100, 116, (count, 1, 1, 1), generator=torch.Generator().manual_seed(seed))
    return torch.cat([first, 60 + 130 * (first % 2)], -1).to(torch.uint8)


def test_a_network_knows_which_byte_is_near_not_only_how_bright():
    """As scans want it, where after 253 other bytes come than after 254."""
    model = Exact(Gaussian(torch.full((1, 1, 2), 0.5), 0.3**2), VE(0.001, 10.0))
    counted = ByteDecoder(model, odd(2000, seed=0), ratio=1.0)
    z, _ = counted.noised(odd(200, seed=1), seed=2)
    u = torch.rand(z.shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)

    def right(decoder: ByteDecoder) -> float:
        first, second = decoder.draw(z, u).long().unbind(-1)
        return ((second > 125) == first % 2).double().mean().item()

    assert right(counted) < 0.75
    assert right(counted.with_network(odd(2000, seed=0), steps=250, width=32)) > 0.9


def test_no_byte_is_told_by_one_decoded_later():
    """What the images of all last bytes have together is the probability of the others, which noise on the last pixel cannot change."""
    decoder = striped()
    image = stripes(1, seed=1)
    z, _ = decoder.noised(image, seed=2)
    other = z.clone()
    other[..., -1, -1] += 0.2
    every = image.repeat(256, 1, 1, 1)
    every[..., -1, -1] = torch.arange(256).to(torch.uint8)[:, None]
    one, two = (decoder.log_prob(every, x.expand(256, -1, -1, -1)).logsumexp(0).item() for x in (z, other))
    assert abs(one - two) < 1e-9


@pytest.mark.parametrize("of", [partial(striped, broken=0.3), learned])
def test_bytes_drawn_in_waves_are_those_drawn_row_by_row(of: Callable[[], ByteDecoder]):
    decoder = of()
    z, _ = decoder.noised(stripes(50, seed=1, broken=0.3), seed=2)
    u = torch.rand(z.shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)

    def choose(i: torch.Tensor, j: torch.Tensor, likely: torch.Tensor) -> torch.Tensor:
        total = likely.cumsum(-1)
        return (total <= u[..., i, j].unsqueeze(-1) * total[..., -1:]).sum(-1)

    assert torch.equal(decoder.draw(z, u), decoder.in_order(z, choose, decoder._seen()))
    for asked, slant in ((_PLACES, SLANT), (byte_network._BEFORE, byte_network.SLANT)):
        assert (slant * asked[..., 0] + asked[..., 1] < 0).all()  # whatever a pixel asks is in an earlier wave
        assert (asked[..., 0] * 100 + asked[..., 1] < 0).all()  # and in an earlier row, or to the left


def test_a_grey_repeated_is_paid_for_once():
    """Where rows are alike, the first costs what noise of 13 bytes hides, log₂(13 √2πe) bits a pixel, and the others almost nothing."""
    decoder = striped()
    images = stripes(200, seed=1)
    z, _ = decoder.noised(images, seed=2)
    bits = -decoder.log_prob(images, z).mean().item() / math.log(2)
    hidden = 4 * math.log2(0.05 * 256 * math.sqrt(2 * math.pi * math.e))
    assert 0.9 * hidden < bits < 1.3 * hidden
    order = torch.randperm(images.numel(), generator=torch.Generator().manual_seed(3))
    shuffled = images.flatten()[order].reshape(images.shape)  # copies are expected, and none come
    z, _ = decoder.noised(shuffled, seed=2)
    assert -decoder.log_prob(shuffled, z).mean().item() / math.log(2) > 4 * hidden


def test_the_white_of_an_image_is_paid_for_once():
    """Images of eight equal pixels, 253 or 254, at a noise that hides which: one bit each, where bytes alone would cost one per pixel."""
    images = torch.tensor([253, 254], dtype=torch.uint8).repeat(400)[:, None, None, None].expand(-1, 1, 2, 4)
    model = Exact(Empirical((images[:2].double() + 0.5) / 256), VE(0.001, 10.0))
    decoder = ByteDecoder(model, images, ratio=0.3)
    z, _ = decoder.noised(images, seed=1)
    bits = -decoder.log_prob(images, z).mean().item() / math.log(2)
    assert 0.95 < bits < 1.2


@pytest.mark.parametrize("process", [VE(0.001, 10.0), VP()])
def test_samples_finished_in_bytes_have_the_bytes_of_the_data(process: VE | VP):
    """Pixels of four known bytes, two of them nearer than the noise: samples of the exact model fall between them, drawn bytes are as
    likely as in the data (χ², level 1e-4), most probable ones are not, for the nearer one always wins. Without neighbours all is exact."""
    values = torch.tensor([0, 0, 0, 0, 0, 0, 100, 103, 103, 255], dtype=torch.uint8)
    images = values.repeat(500).reshape(-1, 1, 1, 1)
    model = Exact(Empirical((images[: len(values)].double() + 0.5) / 256), process)
    decoder = ByteDecoder(model, images, ratio=0.03)
    rows = range(4000)
    x = sample(model, Heun(), (len(rows), 1, 1, 1), grid=Karras(16), seed=0).x
    share = {}
    for how in ("draw", "mode"):
        drawn = decoder.finish(x, how, stream="seed 0", rows=rows)
        assert drawn.shape == x.shape
        share[how] = torch.bincount(drawn.flatten().long(), minlength=256)
    expected = torch.bincount(values.long(), minlength=256).double() / len(values)
    known = expected > 0
    assert share["draw"][~known].sum() == share["mode"][~known].sum() == 0
    p = {how: stats.chisquare(c[known], expected[known] * c[known].sum()).pvalue for how, c in share.items()}
    assert p["draw"] > 1e-4 > p["mode"]
    again = decoder.finish(x[7:9], "draw", stream="seed 0", rows=range(7, 9))
    assert torch.equal(again, decoder.finish(x, "draw", stream="seed 0", rows=rows)[7:9])


def test_noise_is_put_to_samples_before_their_bytes_are_drawn():
    """Two bytes twice as far from each other as the noise, one in five the lower: one in five stays it. Drawn from samples as they are it
    is rarer, since P(byte | z) is of z with noise. Level 6e-5."""
    values = torch.tensor([200, 215, 215, 215, 215], dtype=torch.uint8)
    images, n = values.repeat(2000).reshape(-1, 1, 1, 1), 4000
    decoder = ByteDecoder(Exact(Empirical((images[:5].double() + 0.5) / 256), VE(0.001, 10.0)), images, ratio=0.03)
    x = (images[:n].double() + 0.5) / 256
    u = torch.rand(x.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    finished = decoder.finish(x.float(), "draw", stream="seed 0", rows=range(n))
    lower = [
        ((bytes_ < 208).double().mean().item() - 0.2) / (0.16 / n) ** 0.5 for bytes_ in (finished, decoder.draw(x, u))
    ]
    assert abs(lower[0]) < 4 < -lower[1]


def test_images_are_drawn_as_often_as_they_are_probable():
    """Of two pixels there are 65536 images; log P of those drawn has the mean and spread it has under P. Level 6e-5."""
    images = stripes(100_000, seed=0)[..., :2, :1]  # so many that pseudocounts, which are not drawn, matter little
    decoder = ByteDecoder(Exact(Gaussian(torch.full((1, 2, 1), 0.5), 0.3**2), VE(0.001, 10.0)), images, ratio=0.05)
    z, _ = decoder.noised(images[:1], seed=1)
    every = torch.cartesian_prod(torch.arange(256), torch.arange(256)).to(torch.uint8).reshape(-1, 1, 2, 1)
    log_p = decoder.log_prob(every, z.expand(len(every), -1, -1, -1))
    mean = (log_p.exp() * log_p).sum()
    std = ((log_p.exp() * log_p.square()).sum() - mean.square()).sqrt()
    u = torch.rand(4000, 1, 2, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    drawn = decoder.draw(z.expand(4000, -1, -1, -1), u)
    found = decoder.log_prob(drawn, z.expand(4000, -1, -1, -1))
    assert abs(found.mean() - mean) < 4 * std / 4000**0.5
    likeliest = decoder.draw(z)
    assert decoder.log_prob(likeliest, z) > found.median()


def test_a_decoder_is_stored_and_found_again():
    decoder = striped(broken=0.2)
    again = ByteDecoder.stored(decoder.model, decoder.tensors)
    images = stripes(20, seed=1)
    z, _ = decoder.noised(images, seed=2)
    assert again.ratio == decoder.ratio
    torch.testing.assert_close(again.log_prob(images, z), decoder.log_prob(images, z), rtol=1e-6, atol=1e-5)


def test_trust_is_what_makes_images_most_probable():
    """Where a fifth of the pixels keep to no stripe, half the trust that was learnt and twice as much both cost more."""
    decoder = striped(broken=0.2)
    images = stripes(1000, seed=1, broken=0.2)
    z, _ = decoder.noised(images, seed=3)
    learnt, found = decoder.trust, []
    for factor in (0.5, 1.0, 2.0):
        decoder.trust = factor * learnt
        found.append(decoder.log_prob(images, z).mean().item())
    halved, kept, doubled = found
    assert kept > max(halved, doubled) + 0.01


@pytest.mark.parametrize("count", [0, -1, 1.5])
def test_numbers_of_probes_and_steps_are_whole_and_positive(count: float):
    model = Exact(Gaussian([0.0, 0.0]), VP())
    with pytest.raises(ValueError, match="probes must be a whole number of at least 1"):
        log_likelihood(model, torch.zeros(2, 2), probes=count)
    with pytest.raises(ValueError, match="steps must be a whole number of at least 1"):
        interpolate(torch.ones(2, 2), torch.ones(2, 2), count)


def test_what_is_not_bytes_and_what_the_process_does_not_reach_is_refused():
    images = pictures(4)
    model = Exact(Empirical((images.double() + 0.5) / 256), VE(0.05, 10.0))
    with pytest.raises(ValueError, match=r"from 0\.05 to below 10; received 0\.02"):
        ByteDecoder(model, images, ratio=0.02)
    decoder = ByteDecoder(model, images)
    assert decoder.ratio == pytest.approx(0.05)
    for given in (None, decoder):
        with pytest.raises(ValueError, match=r"torch\.uint8.*received torch\.float32"):
            bits_per_dim(model, images / 255, decoder=given)
    for ask in (bits_per_dim, ByteDecoder, lambda model, none: variational_bound(model, none, decoder)):
        with pytest.raises(ValueError, match=r"one or more; received the shape \(0, 1, 2, 2\)"):
            ask(model, images[:0])
    for t in (-0.1, 1.0):
        with pytest.raises(ValueError, match=r"\[0, 1\); received"):
            log_likelihood(model, torch.zeros(2, 1, 2, 2), t=t)


def of_levels(black: float, white: float) -> Units:
    """Return the units of data in which bytes are the levels from ``black`` to ``white``, around a model of (byte + ½)/256."""
    width = (white - black) / 255
    return Units(torch.tensor(black - width / 2), torch.tensor(256 * width), ends=(black, white))


UNITS = {"0 to 255": of_levels(0, 255), "-1 to 1": of_levels(-1, 1), "standardised": of_levels(-0.1307 / 0.3081, 2.8)}


def counted(units: Units | None) -> torch.Tensor:
    """Return the bits of sixteen images, equally likely, in all three ways to count them."""
    images = pictures(16)
    model = Exact(Empirical((images.double() + 0.5) / 256), VE(0.001, 10.0)).in_units(units)
    decoder = ByteDecoder(model, images.repeat(200, 1, 1, 1), ratio=0.02)
    bits = [bits_per_dim(model, images, decoder=given, probes=16)[0] for given in (None, decoder)]
    return torch.stack([*bits, variational_bound(model, images, decoder)])


@pytest.fixture(scope="module")
def own() -> torch.Tensor:
    return counted(None)


@pytest.mark.parametrize(
    "units", [pytest.param(each, marks=() if each == "0 to 255" else pytest.mark.slow) for each in UNITS]
)
def test_bits_are_the_same_whatever_the_units_of_the_data(units: str, own: torch.Tensor):
    """log₂ 16 bits each under a decoder, and equal bits under all three ways to count them."""
    bits = counted(UNITS[units])
    torch.testing.assert_close(bits, own, rtol=1e-4, atol=1e-3)
    assert abs(bits[1].mean().item() - math.log2(16) / 4) < 0.1


@pytest.mark.parametrize("values", [(128.0, 140.0), (-0.7, 0.9), (0.0, 2.0)])
def test_a_model_that_does_not_say_what_bytes_stand_for_is_refused(values: tuple[float, float]):
    images = pictures(4)
    model = Exact(Empirical(images.double() / 256), VE(0.001, 10.0)).in_units(Units(*map(torch.tensor, values)))
    for ask in (bits_per_dim, ByteDecoder):
        with pytest.raises(ValueError, match=r"which values the bytes 0 and 255.*ends=\(0, 255\)"):
            ask(model, images)


@pytest.mark.parametrize(("low", "high"), [(0.0, 255.0), (-1.0, 1.0)])
def test_data_without_units_that_are_not_from_0_to_1_are_refused_until_they_are_declared(low: float, high: float):
    """By their moments, which an exact model knows and a denoiser is told; declared, bits are those of the same data in [0, 1]."""
    width = (high - low) / 255
    images, start = pictures(4), low - width / 2
    law = Gaussian(torch.full((1, 2, 2), low + 0.3 * (high - low)), (64 * width) ** 2)
    process = VE(0.1 * width, 2000 * width)
    moments = low + 0.3 * (high - low), 64 * width
    torch.manual_seed(0)
    told = Denoiser(torch.nn.Bilinear(4, 4, 4), process, sigma_data=moments[1], mean_data=moments[0])
    for model in (Exact(law, process), told):
        for ask in (bits_per_dim, ByteDecoder):
            with pytest.raises(ValueError, match=r"which values the bytes 0 and 255.*ends=\(0, 255\)"):
                ask(model, images)
    declared = Exact(law, process).in_units(Units(torch.tensor(0.0), torch.tensor(1.0), ends=(low, high)))
    same = Gaussian((law.mean - start) / (256 * width), 0.25**2)
    expected = bits_per_dim(Exact(same, VE(0.1 / 256, 2000 / 256)), images)
    torch.testing.assert_close(bits_per_dim(declared, images)[0], expected[0], rtol=1e-3, atol=1e-3)


def test_bits_per_dim_of_a_known_law():
    """Images whose dequantised pixels are Gaussian around 0.5: the bound equals the cross-entropy in bits plus eight."""
    std, size = 0.1, 16
    law = Gaussian(torch.full((1, 4, 4), 0.5), std**2)
    model = Exact(law, VE(0.001, 10.0))
    y = law.sample(200, torch.Generator().manual_seed(0)).clamp(0, 1 - 1e-6)
    images = (256 * y).to(torch.uint8)
    bits, error = bits_per_dim(model, images, probes=8, rtol=1e-5, atol=1e-5)
    entropy = (0.5 * math.log(2 * math.pi * math.e * std**2)) / math.log(2) + 8
    spread = 0.5 / math.log(2) * math.sqrt(2 / size) / math.sqrt(len(images))  # of the mean of χ²/2 in bits per pixel
    assert error.max().item() < 0.05
    assert abs(bits.mean().item() - entropy) < 4 * spread + 0.02  # 0.02: the prior N(0, 10²) against a mean of 0.5
