//! Where the tree is cut into nodes: decided by the paths alone, so that an edit moves no boundary.
