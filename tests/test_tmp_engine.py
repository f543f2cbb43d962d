import numpy as np, types
from hypothesis import given, settings, strategies as st
from tfsep.separation import separate_blocks, separate
class Identity:
    def __init__(self, segment, context, channels=1, rate=8000):
        self.sources=("a","b"); self.segment=segment; self.context=context; self.channels=channels; self.sample_rate=rate
    def separate_window(self, w):
        c = w[:, self.context:w.shape[1]-self.context]
        return {"a": c, "b": -c}
@settings(deadline=None, max_examples=200)
@given(n=st.integers(1,300), seg=st.integers(1,70), ctx=st.integers(0,20), ov=st.floats(0,0.95), b=st.integers(1,5), ch=st.integers(1,3), bl=st.integers(1,100))
def test_id(n,seg,ctx,ov,b,ch,bl):
    x=np.random.default_rng(n).normal(size=(n,ch)).astype("float32")
    out=np.concatenate(list(separate_blocks([x[i:i+bl] for i in range(0,n,bl)],n,ch,Identity(seg,ctx,1),overlap=ov,batch_size=b)))
    assert out.shape==(n,2,ch)
    np.testing.assert_allclose(out[:,0],x,atol=1e-6)
    np.testing.assert_allclose(out[:,1],-x,atol=1e-6)
def test_sep():
    x=np.random.default_rng(0).normal(size=(44100,2)).astype("float32")*.1
    y=separate(x, Identity(3000,100), 44100, residual="rest")
    assert y["a"].shape==x.shape and np.allclose(y["a"]+y["b"]+y["rest"],x,atol=1e-6)
    y=separate(x[:,0], Identity(3000,100,2), 8000)
    np.testing.assert_allclose(y["a"],x[:,0],atol=1e-6)
    y=separate(x[:1], Identity(3000,100,2), 44100); assert y["a"].shape==(1,2)
