r"""Scorefield beside other libraries of its field, in one process, in turn, with the same threads, shapes and batches.

They are installed without what they depend on, which is here already or not needed for what is measured:

    pip install --no-deps azula==0.11.1 smalldiffusion==0.5.0 k-diffusion==0.1.1.post1 diffusers==0.42.1 \
        denoising-diffusion-pytorch==2.3.4 ema-pytorch einops dctorch torchsde trampoline boltons scikit-image lazy-loader
    pip install torchdiffeq
    python -m benchmarks peers-training peers-networks peers-sampling peers-likelihood peers-cifar
    python -m benchmarks.peers.quality --minutes 5

`training` is the same network in each library's training step, `networks` each library's own network, `sampling` what a sampler costs
beside the network, `likelihood` what a log-likelihood costs, `cifar` a training step at the size of CIFAR-10's networks. `quality` is each
library's own example of digits (`examples`), trained for the same time, and what it then draws. A library that is not there has a line
that says so.
"""
