"""The gate: may this model replace that one?

`rules` says what is asked (``gates.toml``), `judge` answers with one `result.GateResult`, and everything that leaves
the house is written from that object: `junit`, `markdown`, `annotations`, the table on the terminal and the exit code.
"""
