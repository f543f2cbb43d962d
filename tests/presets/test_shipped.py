"""The presets that come with the package."""

from preset_case import PresetCase

from tfsep import presets


class TestUnetVocalsDrums(PresetCase):
    name = "unet-vocals-drums"
    parameters = 985_978
    megabytes = 3
    margin = ("drums", 1.0)


class TestDRNNMir1k(PresetCase):
    name = "drnn-mir1k"
    parameters = 5_569_026
    megabytes = 12
    margin = ("accompaniment", 0.7)


class TestDRNNMir1kPlus(PresetCase):
    name = "drnn-mir1k-plus"
    parameters = 4_530_716
    megabytes = 12
    margin = ("vocals", 1.2)


class TestConvSep4Stems(PresetCase):
    name = "convsep-4stems"
    parameters = 678_536
    megabytes = 2
    margin = ("drums", 2.0)


class TestCRN4Stems(PresetCase):
    name = "crn-4stems"
    parameters = 9_087_160
    megabytes = 19
    margin = ("drums", 5.5)


class TestConvSep4StemsPlus(PresetCase):
    name = "convsep-4stems-plus"
    parameters = 3_232_712
    megabytes = 8
    margin = ("drums", 4.0)


class TestConvSep4StemsFree(PresetCase):
    name = "convsep-4stems-free"
    parameters = 3_232_712
    megabytes = 8
    margin = ("drums", 1.0)
    terms = ("allowed", "for any purpose, also in a product")


class TestCycleGANVocals(PresetCase):
    name = "cyclegan-vocals"
    parameters = 1_485_505
    megabytes = 4
    margin = ("accompaniment", 0.5)


class TestWaveUNet4Stems(PresetCase):
    name = "waveunet-4stems"
    parameters = 6_666_870
    megabytes = 15
    margin = ("drums", 3.5)


def test_every_preset_has_its_case():
    assert {case.name for case in PresetCase.__subclasses__()} == set(presets.names())
