"""Label Studio's side of lsvid: the only package that imports its SDK, and that late (it takes two seconds)."""
