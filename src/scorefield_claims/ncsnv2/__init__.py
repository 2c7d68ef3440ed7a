"""The techniques of Song & Ermon (2020), each measured on its own."""
