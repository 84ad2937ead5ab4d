"""The soak: a steady stream at full rate, a random fault each minute, and every figure recounted after each of them."""
