"""The mathematics as laws: every density, process, model, sampler and objective against closed-form answers."""
