"""The engines that evaluate populations of networks."""
