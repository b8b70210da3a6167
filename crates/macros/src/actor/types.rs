//! What the types in a handler's signature may be, and how they read outside the actor's block.

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::visit_mut::{self, VisitMut};
use syn::{
    Error, GenericArgument, Ident, ParenthesizedGenericArguments, PathArguments, QSelf, Result,
    Type, TypeBareFn, TypeImplTrait, TypePath, TypeReference,
};

/// Whether the last segment of a path type is `name`.
pub(crate) fn is_called(ty: &Type, name: &str) -> bool {
    match ty {
        Type::Path(path) => path
            .path
            .segments
            .last()
            .is_some_and(|last| last.ident == name),
        Type::Group(group) => is_called(&group.elem, name),
        Type::Paren(paren) => is_called(&paren.elem, name),
        _ => false,
    }
}

/// Whether the type is written `&mut Context<…>`.
pub(crate) fn is_context(ty: &Type) -> bool {
    matches!(ty, Type::Reference(reference)
        if reference.mutability.is_some() && is_called(&reference.elem, "Context"))
}

/// The two types of `Result<T, E>`; nothing for an alias such as `io::Result<T>`.
pub(crate) fn result_arguments(ty: &Type) -> Option<(&Type, &Type)> {
    let Type::Path(path) = ty else { return None };
    let PathArguments::AngleBracketed(arguments) = &path.path.segments.last()?.arguments else {
        return None;
    };
    let mut arguments = arguments.args.iter();
    match (arguments.next(), arguments.next(), arguments.next()) {
        (Some(GenericArgument::Type(ok)), Some(GenericArgument::Type(error)), None) => {
            Some((ok, error))
        }
        _ => None,
    }
}

/// Refuses a type that borrows or that has no name: it could not travel in a message.
pub(crate) fn must_own(ty: &Type, what: &'static str) -> Result<()> {
    let mut search = Borrow { what, found: None };
    search.visit_type(ty);
    search.found.map_or(Ok(()), Err)
}

struct Borrow {
    what: &'static str,
    found: Option<Error>,
}

impl Borrow {
    fn refuse(&mut self, span: Span, text: &str) {
        let error = Error::new(span, format!("{} {text}", self.what));
        match &mut self.found {
            Some(found) => found.combine(error),
            None => self.found = Some(error),
        }
    }
}

impl<'ast> Visit<'ast> for Borrow {
    fn visit_type_reference(&mut self, reference: &'ast TypeReference) {
        if reference
            .lifetime
            .as_ref()
            .is_none_or(|lifetime| lifetime.ident != "static")
        {
            self.refuse(
                reference.span(),
                "owns its data: use an owned type, not a reference",
            );
        }
        visit::visit_type_reference(self, reference);
    }

    fn visit_type_impl_trait(&mut self, ty: &'ast TypeImplTrait) {
        self.refuse(ty.span(), "has one type: name it instead of `impl Trait`");
    }

    // References in `fn(&T)` and `Fn(&T)` belong to a later call.
    fn visit_type_bare_fn(&mut self, _: &'ast TypeBareFn) {}
    fn visit_parenthesized_generic_arguments(&mut self, _: &'ast ParenthesizedGenericArguments) {}
}

/// The type with every `Self` written out, for use outside the actor's own block.
pub(crate) fn without_self(ty: &Type, actor: &Type) -> Type {
    let mut ty = ty.clone();
    NameSelf(actor).visit_type_mut(&mut ty);
    ty
}

struct NameSelf<'a>(&'a Type);

impl VisitMut for NameSelf<'_> {
    fn visit_type_mut(&mut self, ty: &mut Type) {
        visit_mut::visit_type_mut(self, ty);
        if let Type::Path(TypePath { qself: None, path }) = ty
            && path.is_ident(&Ident::new("Self", Span::call_site()))
        {
            *ty = self.0.clone();
        }
    }

    // `Self::Item` becomes `<Actor>::Item`.
    fn visit_type_path_mut(&mut self, ty: &mut TypePath) {
        visit_mut::visit_type_path_mut(self, ty);
        let starts_with_self = ty.path.leading_colon.is_none()
            && ty.path.segments.len() > 1
            && ty.path.segments[0].ident == "Self";
        if ty.qself.is_none() && starts_with_self {
            ty.qself = Some(QSelf {
                lt_token: Default::default(),
                ty: Box::new(self.0.clone()),
                position: 0,
                as_token: None,
                gt_token: Default::default(),
            });
            ty.path.segments = ty.path.segments.iter().skip(1).cloned().collect();
            ty.path.leading_colon = Some(Default::default());
        }
    }
}
