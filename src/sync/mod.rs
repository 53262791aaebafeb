//! One job from start to end: the only place where the parts meet. `scan -> reconcile -> plan -> fetch -> install`.
