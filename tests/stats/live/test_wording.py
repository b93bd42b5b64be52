from vaescope.stats.live.wording import listed, numbers


def test_many_things_are_counted_and_not_all_named():
    assert listed(["a", "b", "c"]) == "a, b and c"
    told = numbers("Latent", range(512))
    assert told == "Latents 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 501 more"
    assert listed([str(k) for k in range(12)]).endswith("10 and 11")
